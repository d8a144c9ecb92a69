using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Contit.Scheduler
{
    /// <summary>How the wire is written and read. Text that looks like a date stays text, whatever the program's own defaults are.</summary>
    internal static class Json
    {
        internal static string Write(object value)
        {
            var text = new StringWriter(CultureInfo.InvariantCulture);
            Serializer().Serialize(text, value);
            return text.ToString();
        }

        internal static T Read<T>(string text)
        {
            using (var reader = Reader(text))
            {
                return Serializer().Deserialize<T>(reader);
            }
        }

        /// <summary><c>null</c> when it is not JSON.</summary>
        internal static JToken Parse(string text)
        {
            using (var reader = Reader(text))
            {
                try
                {
                    return JToken.ReadFrom(reader);
                }
                catch (JsonException)
                {
                    return null;
                }
            }
        }

        private static JsonTextReader Reader(string text) =>
            new JsonTextReader(new StringReader(text)) { DateParseHandling = DateParseHandling.None };

        // Not JsonConvert, which would take JsonConvert.DefaultSettings: those are the program's.
        private static JsonSerializer Serializer() => JsonSerializer.Create(new JsonSerializerSettings
        {
            Culture = CultureInfo.InvariantCulture,
            DateParseHandling = DateParseHandling.None,
            NullValueHandling = NullValueHandling.Ignore,
        });
    }

    /// <summary>Instants, in milliseconds and with a Z. Of those without a kind UTC is meant.</summary>
    internal sealed class UtcConverter : JsonConverter
    {
        public override bool CanConvert(Type objectType) => objectType == typeof(DateTime) || objectType == typeof(DateTime?);

        public override object ReadJson(JsonReader reader, Type objectType, object existingValue, JsonSerializer serializer)
        {
            if (reader.TokenType == JsonToken.Null && objectType == typeof(DateTime?)) return null;
            return Instants.Read(reader).UtcDateTime;
        }

        public override void WriteJson(JsonWriter writer, object value, JsonSerializer serializer) => writer.WriteValue(Instants.Write((DateTime)value));
    }

    /// <summary>Instants with the offset of a place.</summary>
    internal sealed class LocalConverter : JsonConverter
    {
        public override bool CanConvert(Type objectType) => objectType == typeof(DateTimeOffset?);

        public override object ReadJson(JsonReader reader, Type objectType, object existingValue, JsonSerializer serializer)
        {
            if (reader.TokenType == JsonToken.Null) return null;
            return Instants.Read(reader);
        }

        public override void WriteJson(JsonWriter writer, object value, JsonSerializer serializer) =>
            writer.WriteValue(((DateTimeOffset)value).ToString("yyyy-MM-dd'T'HH:mm:ss.FFFzzz", CultureInfo.InvariantCulture));
    }

    internal static class Instants
    {
        internal static string Write(DateTime instant)
        {
            var utc = instant.Kind == DateTimeKind.Local ? instant.ToUniversalTime() : instant;
            return utc.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        }

        internal static DateTimeOffset Read(JsonReader reader)
        {
            var text = reader.Value as string;
            DateTimeOffset instant;
            if (text == null || !DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out instant))
            {
                throw new JsonSerializationException($"{reader.Path}: {reader.Value} is not an instant");
            }
            return instant;
        }
    }
}
