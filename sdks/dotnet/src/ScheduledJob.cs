using System;
using System.Collections;
using System.Collections.Generic;
using Newtonsoft.Json;
using Newtonsoft.Json.Converters;
using Newtonsoft.Json.Linq;

namespace Contit.Scheduler
{
    /// <summary>Where a job is in its life.</summary>
    [JsonConverter(typeof(StringEnumConverter))]
    public enum ScheduledJobStatus
    {
        /// <summary>It waits to fire, or for its next attempt.</summary>
        Pending,

        /// <summary>It is being delivered.</summary>
        Firing,

        /// <summary>It was delivered.</summary>
        Done,

        /// <summary>It was cancelled while it waited.</summary>
        Cancelled,

        /// <summary>All its attempts failed.</summary>
        DeadLetter,
    }

    /// <summary>The order of a list, by planned instant.</summary>
    public enum ScheduledJobOrder
    {
        /// <summary>Newest first.</summary>
        Descending,

        /// <summary>Oldest first.</summary>
        Ascending,
    }

    /// <summary>One call that was, is or will be made. All instants are UTC.</summary>
    public sealed class ScheduledJob
    {
        /// <summary>The id.</summary>
        [JsonProperty("id")]
        public Guid Id { get; set; }

        /// <summary>Where it is in its life.</summary>
        [JsonProperty("status")]
        public ScheduledJobStatus Status { get; set; }

        /// <summary>A name for people.</summary>
        [JsonProperty("name")]
        public string Name { get; set; }

        /// <summary>As it was given; the instant that counts is <see cref="FireAtUtc"/>.</summary>
        [JsonProperty("delaySeconds")]
        public double? DelaySeconds { get; set; }

        /// <summary>The planned instant of this occurrence, never moved by retries.</summary>
        [JsonProperty("fireAtUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime FireAtUtc { get; set; }

        /// <summary>What is called.</summary>
        [JsonProperty("callbackUrl")]
        public string CallbackUrl { get; set; }

        /// <summary>With which method.</summary>
        [JsonProperty("method")]
        public string Method { get; set; }

        /// <summary>With which headers.</summary>
        [JsonProperty("headers")]
        public Dictionary<string, string> Headers { get; set; }

        /// <summary>The JSON that is sent. Text that looks like a date is text here.</summary>
        [JsonProperty("payload")]
        public JToken Payload { get; set; }

        /// <summary>The number of attempts before <see cref="ScheduledJobStatus.DeadLetter"/>.</summary>
        [JsonProperty("maxRetries")]
        public int MaxRetries { get; set; }

        /// <summary>How long one attempt may take.</summary>
        [JsonProperty("timeoutSeconds")]
        public int TimeoutSeconds { get; set; }

        /// <summary>The key that the callbacks of this occurrence carry.</summary>
        [JsonProperty("idempotencyKey")]
        public string IdempotencyKey { get; set; }

        /// <summary>An id of yours that the callbacks carry.</summary>
        [JsonProperty("correlationId")]
        public string CorrelationId { get; set; }

        /// <summary>Recurrence by interval.</summary>
        [JsonProperty("recurrenceSeconds")]
        public long? RecurrenceSeconds { get; set; }

        /// <summary>Recurrence by calendar: wall-clock times, HH:mm.</summary>
        [JsonProperty("scheduleTimes")]
        public List<string> ScheduleTimes { get; set; }

        /// <summary>The days of <see cref="ScheduleTimes"/>, 0 = Sunday to 6 = Saturday; <c>null</c> is every day.</summary>
        [JsonProperty("scheduleDaysOfWeek")]
        public List<int> ScheduleDaysOfWeek { get; set; }

        /// <summary>The zone of <see cref="ScheduleTimes"/>.</summary>
        [JsonProperty("timeZone")]
        public string TimeZone { get; set; }

        /// <summary>No occurrence after it.</summary>
        [JsonProperty("endAtUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime? EndAtUtc { get; set; }

        /// <summary>How many occurrences there are.</summary>
        [JsonProperty("maxOccurrences")]
        public long? MaxOccurrences { get; set; }

        /// <summary>When the next attempt is due; <c>null</c> unless it is pending.</summary>
        [JsonProperty("nextAttemptAtUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime? NextAttemptAtUtc { get; set; }

        /// <summary>When it was asked to run at once, if it was.</summary>
        [JsonProperty("runNowAtUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime? RunNowAtUtc { get; set; }

        /// <summary>Attempts made so far.</summary>
        [JsonProperty("attempts")]
        public int Attempts { get; set; }

        /// <summary>The same for all occurrences of a recurring job; <c>null</c> for a one-shot.</summary>
        [JsonProperty("seriesId")]
        public Guid? SeriesId { get; set; }

        /// <summary>From 1; <c>null</c> for a one-shot.</summary>
        [JsonProperty("occurrenceNumber")]
        public long? OccurrenceNumber { get; set; }

        /// <summary>What the receiver answered last.</summary>
        [JsonProperty("lastStatusCode")]
        public int? LastStatusCode { get; set; }

        /// <summary>Why the last attempt failed; <c>null</c> when it did not.</summary>
        [JsonProperty("lastError")]
        public string LastError { get; set; }

        /// <summary>The last ten attempts, oldest first; only when one job is asked for.</summary>
        [JsonProperty("attemptLog")]
        public List<ScheduledJobAttempt> AttemptLog { get; set; }

        /// <summary>When it was created.</summary>
        [JsonProperty("createdAtUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime CreatedAtUtc { get; set; }

        /// <summary>When it was last changed.</summary>
        [JsonProperty("updatedAtUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime UpdatedAtUtc { get; set; }

        /// <summary>When it ended.</summary>
        [JsonProperty("completedAtUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime? CompletedAtUtc { get; set; }

        /// <summary>When the clean-up removes it.</summary>
        [JsonProperty("expiresAtUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime? ExpiresAtUtc { get; set; }
    }

    /// <summary>One call of the receiver.</summary>
    public sealed class ScheduledJobAttempt
    {
        /// <summary>From 1.</summary>
        [JsonProperty("number")]
        public int Number { get; set; }

        /// <summary>When it began; <c>null</c> when the poller died during the attempt.</summary>
        [JsonProperty("startedAtUtc")]
        [JsonConverter(typeof(UtcConverter))]
        public DateTime? StartedAtUtc { get; set; }

        /// <summary>How long it took.</summary>
        [JsonProperty("durationMs")]
        public long? DurationMs { get; set; }

        /// <summary>What the receiver answered.</summary>
        [JsonProperty("statusCode")]
        public int? StatusCode { get; set; }

        /// <summary>Why it failed; <c>null</c> when it did not.</summary>
        [JsonProperty("error")]
        public string Error { get; set; }

        /// <summary>How the answer's body began.</summary>
        [JsonProperty("responseSnippet")]
        public string ResponseSnippet { get; set; }
    }

    /// <summary>A page of jobs. It can be walked as it is.</summary>
    [JsonObject]
    public sealed class ScheduledJobPage : IReadOnlyList<ScheduledJob>
    {
        /// <summary>The jobs.</summary>
        [JsonProperty("items")]
        public List<ScheduledJob> Items { get; set; } = new List<ScheduledJob>();

        /// <summary>Where the next page begins; <c>null</c> on the last.</summary>
        [JsonProperty("nextCursor")]
        public string NextCursor { get; set; }

        /// <summary>How many jobs are on this page.</summary>
        [JsonIgnore]
        public int Count => Items.Count;

        /// <summary>A job of this page.</summary>
        /// <param name="index">From 0.</param>
        public ScheduledJob this[int index] => Items[index];

        /// <summary>Walks the jobs of this page.</summary>
        public IEnumerator<ScheduledJob> GetEnumerator() => Items.GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
