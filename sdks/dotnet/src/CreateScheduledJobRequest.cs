using System;
using System.Collections.Generic;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Contit.Scheduler
{
    /// <summary>
    /// What to call, when, and how often. Only <see cref="CallbackUrl"/> is required. What is <c>null</c> is not sent.
    /// </summary>
    public sealed class CreateScheduledJobRequest
    {
        /// <summary>A name for people, at most 200 characters.</summary>
        [JsonProperty("name")]
        public string Name { get; set; }

        /// <summary>Seconds from now; fractions allowed.</summary>
        [JsonProperty("delaySeconds")]
        public double? DelaySeconds { get; set; }

        /// <summary>
        /// An instant; wins over <see cref="DelaySeconds"/>. In the past: due at once. A local time is converted, one without a kind is UTC.
        /// </summary>
        [JsonProperty("fireAtUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime? FireAtUtc { get; set; }

        /// <summary>An absolute http or https URL.</summary>
        [JsonProperty("callbackUrl")]
        public string CallbackUrl { get; set; }

        /// <summary>POST unless given.</summary>
        [JsonProperty("method")]
        public string Method { get; set; }

        /// <summary>Headers of the callback.</summary>
        [JsonProperty("headers")]
        public Dictionary<string, string> Headers { get; set; }

        /// <summary>
        /// Any JSON, at most 256 KiB. <c>JToken.Parse</c> may change digits and dates; <c>new JRaw(json)</c> is sent byte for byte.
        /// <c>JValue.CreateNull()</c> is the payload <c>null</c>.
        /// </summary>
        [JsonProperty("payload")]
        public JToken Payload { get; set; }

        /// <summary>The number of attempts before <see cref="ScheduledJobStatus.DeadLetter"/>: 5 unless given.</summary>
        [JsonProperty("maxRetries")]
        public int? MaxRetries { get; set; }

        /// <summary>The key that the callbacks carry; made by the Scheduler unless given.</summary>
        [JsonProperty("idempotencyKey")]
        public string IdempotencyKey { get; set; }

        /// <summary>An id of yours that the callbacks carry.</summary>
        [JsonProperty("correlationId")]
        public string CorrelationId { get; set; }

        /// <summary>Recurrence by interval: 60 or more.</summary>
        [JsonProperty("recurrenceSeconds")]
        public int? RecurrenceSeconds { get; set; }

        /// <summary>Recurrence by calendar: 1 to 96 wall-clock times, HH:mm.</summary>
        [JsonProperty("scheduleTimes")]
        public List<string> ScheduleTimes { get; set; }

        /// <summary>The days of <see cref="ScheduleTimes"/>, 0 = Sunday to 6 = Saturday as in <see cref="DayOfWeek"/>; every day unless given.</summary>
        [JsonProperty("scheduleDaysOfWeek")]
        public List<int> ScheduleDaysOfWeek { get; set; }

        /// <summary>No occurrence after it; only with a recurrence.</summary>
        [JsonProperty("endAtUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime? EndAtUtc { get; set; }

        /// <summary>How many occurrences there are; only with a recurrence.</summary>
        [JsonProperty("maxOccurrences")]
        public int? MaxOccurrences { get; set; }

        /// <summary>The IANA name of the zone of <see cref="ScheduleTimes"/>: Europe/Rome unless given.</summary>
        [JsonProperty("timeZone")]
        public string TimeZone { get; set; }

        /// <summary>How long one attempt may take: 30 unless given, 60 at most.</summary>
        [JsonProperty("timeoutSeconds")]
        public int? TimeoutSeconds { get; set; }
    }
}
