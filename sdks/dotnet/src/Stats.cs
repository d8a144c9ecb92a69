using System;
using System.Collections.Generic;
using Newtonsoft.Json;

namespace Contit.Scheduler
{
    /// <summary>What happened, by the hour. Approximate.</summary>
    public sealed class SchedulerStats
    {
        /// <summary>From this hour.</summary>
        [JsonProperty("fromUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime FromUtc { get; set; }

        /// <summary>To this hour.</summary>
        [JsonProperty("toUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime ToUtc { get; set; }

        /// <summary>Every hour of the range.</summary>
        [JsonProperty("hours")]
        public List<HourOfStats> Hours { get; set; } = new List<HourOfStats>();

        /// <summary>How late attempts began.</summary>
        [JsonProperty("latenessSeconds")]
        public List<HistogramBucket> LatenessSeconds { get; set; } = new List<HistogramBucket>();

        /// <summary>How long receivers took.</summary>
        [JsonProperty("answerSeconds")]
        public List<HistogramBucket> AnswerSeconds { get; set; } = new List<HistogramBucket>();

        /// <summary>Where attempts failed, most failures first.</summary>
        [JsonProperty("failingHosts")]
        public List<FailingHost> FailingHosts { get; set; } = new List<FailingHost>();
    }

    /// <summary>What happened in one hour.</summary>
    public sealed class HourOfStats
    {
        /// <summary>When it began.</summary>
        [JsonProperty("hourUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime HourUtc { get; set; }

        /// <summary>Jobs created.</summary>
        [JsonProperty("created")]
        public long Created { get; set; }

        /// <summary>Attempts that succeeded.</summary>
        [JsonProperty("delivered")]
        public long Delivered { get; set; }

        /// <summary>Attempts that failed.</summary>
        [JsonProperty("failed")]
        public long Failed { get; set; }

        /// <summary>Jobs whose last attempt failed.</summary>
        [JsonProperty("deadLettered")]
        public long DeadLettered { get; set; }
    }

    /// <summary>How many were no more than this, and more than the bucket before.</summary>
    public sealed class HistogramBucket
    {
        /// <summary>In seconds; <c>null</c> for what is above the last.</summary>
        [JsonProperty("upTo")]
        public double? UpTo { get; set; }

        /// <summary>How many.</summary>
        [JsonProperty("count")]
        public long Count { get; set; }
    }

    /// <summary>A receiver whose attempts fail.</summary>
    public sealed class FailingHost
    {
        /// <summary>Host and port.</summary>
        [JsonProperty("host")]
        public string Host { get; set; }

        /// <summary>How many attempts failed.</summary>
        [JsonProperty("failed")]
        public long Failed { get; set; }
    }

    /// <summary>How many jobs there are of each kind; counted to 10,000 each.</summary>
    public sealed class ScheduledJobCounts
    {
        /// <summary>Pending or firing.</summary>
        [JsonProperty("open")]
        public long Open { get; set; }

        /// <summary>Delivered.</summary>
        [JsonProperty("done")]
        public long Done { get; set; }

        /// <summary>Cancelled.</summary>
        [JsonProperty("cancelled")]
        public long Cancelled { get; set; }

        /// <summary>Failed for good.</summary>
        [JsonProperty("deadLetter")]
        public long DeadLetter { get; set; }

        /// <summary>Whether all were counted.</summary>
        [JsonProperty("exact")]
        public bool Exact { get; set; }
    }

    /// <summary>How many jobs are planned for each of the next 24 hours.</summary>
    public sealed class UpcomingScheduledJobs
    {
        /// <summary>Beginning with the present hour.</summary>
        [JsonProperty("hours")]
        public List<UpcomingHour> Hours { get; set; } = new List<UpcomingHour>();

        /// <summary>Whether all were counted.</summary>
        [JsonProperty("exact")]
        public bool Exact { get; set; }
    }

    /// <summary>How many jobs are planned for one hour.</summary>
    public sealed class UpcomingHour
    {
        /// <summary>When it begins.</summary>
        [JsonProperty("hourUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime HourUtc { get; set; }

        /// <summary>How many.</summary>
        [JsonProperty("count")]
        public long Count { get; set; }
    }
}
