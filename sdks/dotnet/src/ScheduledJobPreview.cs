using System;
using System.Collections.Generic;
using Newtonsoft.Json;

namespace Contit.Scheduler
{
    /// <summary>When a job would fire, if it were created now.</summary>
    public sealed class ScheduledJobPreview
    {
        /// <summary><c>null</c> for a one-shot and for an interval.</summary>
        [JsonProperty("timeZone")]
        public string TimeZone { get; set; }

        /// <summary>The first occurrences.</summary>
        [JsonProperty("occurrences")]
        public List<PreviewedOccurrence> Occurrences { get; set; } = new List<PreviewedOccurrence>();

        /// <summary>Whether there is none after the last one listed.</summary>
        [JsonProperty("complete")]
        public bool Complete { get; set; }
    }

    /// <summary>One call that would be made.</summary>
    public sealed class PreviewedOccurrence
    {
        /// <summary>From 1.</summary>
        [JsonProperty("occurrenceNumber")]
        public long OccurrenceNumber { get; set; }

        /// <summary>When.</summary>
        [JsonProperty("fireAtUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime FireAtUtc { get; set; }

        /// <summary>What the clocks show then; <c>null</c> unless the schedule has a time zone.</summary>
        [JsonProperty("fireAtLocal")]
        [JsonConverter(typeof(LocalConverter))]
        public DateTimeOffset? FireAtLocal { get; set; }

        /// <summary>Why it is not at the wall-clock time that was asked for.</summary>
        [JsonProperty("note")]
        public OccurrenceNote Note { get; set; }
    }

    /// <summary>What a change of clocks does to an occurrence.</summary>
    public sealed class OccurrenceNote
    {
        /// <summary><c>gap</c>, <c>overlap</c> or <c>merged</c>.</summary>
        [JsonProperty("kind")]
        public string Kind { get; set; }

        /// <summary>In words.</summary>
        [JsonProperty("detail")]
        public string Detail { get; set; }
    }

    /// <summary>What became of the dead letters of one call, or of all.</summary>
    public sealed class RetriedDeadLetters
    {
        /// <summary>How many there were.</summary>
        [JsonProperty("matched")]
        public int Matched { get; set; }

        /// <summary>How many were retried: none in a dry run.</summary>
        [JsonProperty("retried")]
        public int Retried { get; set; }

        /// <summary>Where the next call goes on; <c>null</c> when there is no more.</summary>
        [JsonProperty("nextCursor")]
        public string NextCursor { get; set; }
    }
}
