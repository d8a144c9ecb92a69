using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Contit.Scheduler.Tests
{
    /// <summary>When two JSON values count as equal: see sdks/conformance/README.md.</summary>
    internal static class Comparison
    {
        private static readonly Regex Instant = new Regex("Utc$");

        internal static JToken Parse(string text)
        {
            using (var reader = new JsonTextReader(new StringReader(text)) { DateParseHandling = DateParseHandling.None })
            {
                return JToken.ReadFrom(reader);
            }
        }

        /// <summary>Numbers by value, instants by instant (but not in payloads), and without the members that are null.</summary>
        internal static JToken Normal(JToken value, bool keepNulls, params string[] moreInstants)
        {
            var array = value as JArray;
            if (array != null) return new JArray(array.Select(item => Normal(item, keepNulls, moreInstants)));
            var members = value as JObject;
            if (members != null)
            {
                var kept = members.Properties().Where(member => keepNulls || member.Value.Type != JTokenType.Null);
                return new JObject(kept.OrderBy(member => member.Name, StringComparer.Ordinal).Select(member =>
                    new JProperty(member.Name, NormalMember(member, keepNulls, moreInstants))));
            }
            var isNumber = value.Type == JTokenType.Integer || value.Type == JTokenType.Float;
            return isNumber ? new JValue(Convert.ToDouble(((JValue)value).Value, CultureInfo.InvariantCulture)) : value;
        }

        private static JToken NormalMember(JProperty member, bool keepNulls, string[] moreInstants)
        {
            var isInstant = Instant.IsMatch(member.Name) || moreInstants.Contains(member.Name);
            if (member.Value.Type == JTokenType.String && isInstant)
            {
                return "instant " + DateTimeOffset.Parse((string)member.Value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal).UtcTicks;
            }
            return member.Name == "payload" ? Payload(member.Value, keepNulls) : Normal(member.Value, keepNulls, moreInstants);
        }

        private static JToken Payload(JToken value, bool keepNulls)
        {
            var array = value as JArray;
            if (array != null) return new JArray(array.Select(item => Payload(item, keepNulls)));
            var members = value as JObject;
            if (members == null) return Normal(value, keepNulls);
            var kept = members.Properties().Where(member => keepNulls || member.Value.Type != JTokenType.Null);
            return new JObject(kept.OrderBy(member => member.Name, StringComparer.Ordinal)
                .Select(member => new JProperty(member.Name, Payload(member.Value, keepNulls))));
        }
    }
}
