using System;
using System.Collections.Generic;
using System.Globalization;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json;

namespace Contit.Scheduler
{
    /// <summary>Jobs: create, get, cancel, retry, run now, preview.</summary>
    public sealed class ScheduledJobClient
    {
        private const string Jobs = "/scheduled-jobs";
        private readonly Transport transport;

        internal ScheduledJobClient(Transport transport)
        {
            this.transport = transport;
        }

        /// <summary>Schedules a job. Tried again when the answer is lost, and never makes two jobs of one call.</summary>
        /// <param name="request">What to call, and when.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJob> Create(CreateScheduledJobRequest request, CancellationToken cancellationToken = default(CancellationToken)) =>
            Create(request, Guid.NewGuid().ToString(), cancellationToken);

        /// <summary>Schedules a job under a key: the same key with the same request makes one job, also from another process.</summary>
        /// <param name="request">What to call, and when.</param>
        /// <param name="requestKey">The <c>Idempotency-Key</c> of the request.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJob> Create(
            CreateScheduledJobRequest request,
            string requestKey,
            CancellationToken cancellationToken = default(CancellationToken))
        {
            if (request == null) throw new ArgumentNullException(nameof(request));
            if (string.IsNullOrEmpty(requestKey)) throw new ArgumentException("A key is needed.", nameof(requestKey));
            var body = Json.Write(request);
            var call = new Call { Method = HttpMethod.Post, Path = Jobs, Body = body, IdempotencyKey = requestKey, Repeatable = true };
            return transport.Send<ScheduledJob>(call, cancellationToken);
        }

        /// <summary>When a job would fire. Nothing is created.</summary>
        /// <param name="request">What to call, and when.</param>
        /// <param name="count">How many occurrences, at most: 10 unless given.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJobPreview> Preview(
            CreateScheduledJobRequest request,
            int? count = null,
            CancellationToken cancellationToken = default(CancellationToken))
        {
            if (request == null) throw new ArgumentNullException(nameof(request));
            var call = new Call { Method = HttpMethod.Post, Path = Jobs + "/preview", Body = Json.Write(request), Repeatable = true };
            call.Query["count"] = Text(count);
            return transport.Send<ScheduledJobPreview>(call, cancellationToken);
        }

        /// <summary>A page of jobs, by planned instant.</summary>
        /// <param name="status">Those with this status.</param>
        /// <param name="from">Those planned at or after it.</param>
        /// <param name="to">Those planned before it.</param>
        /// <param name="limit">The size of a page, 1 to 200: 50 unless given.</param>
        /// <param name="cursor">The <see cref="ScheduledJobPage.NextCursor"/> of the page before, with the same filter.</param>
        /// <param name="order">Newest first unless given.</param>
        /// <param name="seriesId">The occurrences of this recurring job.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJobPage> Get(
            ScheduledJobStatus? status = null,
            DateTime? from = null,
            DateTime? to = null,
            int? limit = null,
            string cursor = null,
            ScheduledJobOrder? order = null,
            Guid? seriesId = null,
            CancellationToken cancellationToken = default(CancellationToken))
        {
            var call = new Call { Method = HttpMethod.Get, Path = Jobs, Repeatable = true };
            call.Query["status"] = status?.ToString();
            call.Query["from"] = Text(from);
            call.Query["to"] = Text(to);
            call.Query["limit"] = Text(limit);
            call.Query["cursor"] = cursor;
            call.Query["order"] = order == null ? null : order == ScheduledJobOrder.Ascending ? "asc" : "desc";
            call.Query["seriesId"] = seriesId?.ToString();
            return transport.Send<ScheduledJobPage>(call, cancellationToken);
        }

        /// <summary>The jobs of all pages. For more than fit into memory, walk the pages yourself.</summary>
        /// <param name="status">Those with this status.</param>
        /// <param name="from">Those planned at or after it.</param>
        /// <param name="to">Those planned before it.</param>
        /// <param name="order">Newest first unless given.</param>
        /// <param name="seriesId">The occurrences of this recurring job.</param>
        /// <param name="pageSize">How many are asked for at a time, 1 to 200.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public async Task<IReadOnlyList<ScheduledJob>> GetAll(
            ScheduledJobStatus? status = null,
            DateTime? from = null,
            DateTime? to = null,
            ScheduledJobOrder? order = null,
            Guid? seriesId = null,
            int? pageSize = 200,
            CancellationToken cancellationToken = default(CancellationToken))
        {
            var all = new List<ScheduledJob>();
            string cursor = null;
            do
            {
                var page = await Get(status, from, to, pageSize, cursor, order, seriesId, cancellationToken).ConfigureAwait(false);
                all.AddRange(page.Items);
                cursor = page.NextCursor;
            }
            while (cursor != null);
            return all;
        }

        /// <summary>One job with its last attempts.</summary>
        /// <param name="id">Its id.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJob> Get(Guid id, CancellationToken cancellationToken = default(CancellationToken)) => Get(id.ToString(), cancellationToken);

        /// <summary>One job with its last attempts.</summary>
        /// <param name="id">Its id.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJob> Get(string id, CancellationToken cancellationToken = default(CancellationToken)) =>
            transport.Send<ScheduledJob>(new Call { Method = HttpMethod.Get, Path = PathOf(id), Repeatable = true }, cancellationToken);

        /// <summary>
        /// Cancels a job that waits; a recurring one ends with it. A job that does not wait is a <see cref="ContitException"/> with its
        /// <see cref="ContitException.JobStatus"/>.
        /// </summary>
        /// <param name="id">Its id.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJob> Cancel(Guid id, CancellationToken cancellationToken = default(CancellationToken)) =>
            Cancel(id.ToString(), cancellationToken);

        /// <summary>As <see cref="Cancel(Guid, CancellationToken)"/>.</summary>
        /// <param name="id">Its id.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJob> Cancel(string id, CancellationToken cancellationToken = default(CancellationToken)) =>
            Cancel(id, PathOf(id), cancellationToken);

        /// <summary>Gives a dead letter a second life: due at once, with all its attempts before it.</summary>
        /// <param name="id">Its id.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJob> Retry(Guid id, CancellationToken cancellationToken = default(CancellationToken)) =>
            Retry(id.ToString(), cancellationToken);

        /// <summary>As <see cref="Retry(Guid, CancellationToken)"/>.</summary>
        /// <param name="id">Its id.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJob> Retry(string id, CancellationToken cancellationToken = default(CancellationToken)) =>
            transport.Send<ScheduledJob>(new Call { Method = HttpMethod.Post, Path = PathOf(id) + "/retry" }, cancellationToken);

        /// <summary>Makes a waiting job due at once. The plan of a recurring one stays as it is.</summary>
        /// <param name="id">Its id.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJob> RunNow(Guid id, CancellationToken cancellationToken = default(CancellationToken)) =>
            RunNow(id.ToString(), cancellationToken);

        /// <summary>As <see cref="RunNow(Guid, CancellationToken)"/>.</summary>
        /// <param name="id">Its id.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJob> RunNow(string id, CancellationToken cancellationToken = default(CancellationToken)) =>
            transport.Send<ScheduledJob>(new Call { Method = HttpMethod.Post, Path = PathOf(id) + "/run-now" }, cancellationToken);

        /// <summary>Retries dead letters, a bounded number in one call.</summary>
        /// <param name="from">Those planned at or after it.</param>
        /// <param name="to">Those planned before it.</param>
        /// <param name="dryRun">Whether they are only counted.</param>
        /// <param name="cursor">The <see cref="RetriedDeadLetters.NextCursor"/> of the call before.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<RetriedDeadLetters> RetryDeadLetters(
            DateTime? from = null,
            DateTime? to = null,
            bool dryRun = false,
            string cursor = null,
            CancellationToken cancellationToken = default(CancellationToken))
        {
            var which = new DeadLetters { From = from, To = to, DryRun = dryRun ? true : (bool?)null, Cursor = cursor };
            var call = new Call { Method = HttpMethod.Post, Path = Jobs + "/retry", Body = Json.Write(which) };
            return transport.Send<RetriedDeadLetters>(call, cancellationToken);
        }

        /// <summary>Retries all dead letters, call after call.</summary>
        /// <param name="from">Those planned at or after it.</param>
        /// <param name="to">Those planned before it.</param>
        /// <param name="dryRun">Whether they are only counted.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public async Task<RetriedDeadLetters> RetryAllDeadLetters(
            DateTime? from = null,
            DateTime? to = null,
            bool dryRun = false,
            CancellationToken cancellationToken = default(CancellationToken))
        {
            var sum = new RetriedDeadLetters();
            string cursor = null;
            do
            {
                var page = await RetryDeadLetters(from, to, dryRun, cursor, cancellationToken).ConfigureAwait(false);
                sum.Matched += page.Matched;
                sum.Retried += page.Retried;
                cursor = page.NextCursor;
            }
            while (cursor != null);
            return sum;
        }

        internal static string Text(DateTime? instant) => instant == null ? null : Instants.Write(instant.Value);

        private static string Text(int? number) => number?.ToString(CultureInfo.InvariantCulture);

        private async Task<ScheduledJob> Cancel(string id, string path, CancellationToken cancellationToken)
        {
            try
            {
                var call = new Call { Method = HttpMethod.Delete, Path = path, Repeatable = true };
                return await transport.Send<ScheduledJob>(call, cancellationToken).ConfigureAwait(false);
            }
            catch (ContitException exception)
            {
                if (exception.JobStatus != ScheduledJobStatus.Cancelled || !exception.MayHaveBeenDone) throw;
            }

            // The attempt whose answer was lost has cancelled it.
            return await Get(id, cancellationToken).ConfigureAwait(false);
        }

        /// <summary>An id without anything in it would address the list.</summary>
        private static string PathOf(string id)
        {
            if (string.IsNullOrEmpty(id)) throw new ArgumentException("The id of a job is needed.", nameof(id));
            return Jobs + "/" + Uri.EscapeDataString(id);
        }

        private sealed class DeadLetters
        {
            [JsonProperty("status")]
            public ScheduledJobStatus Status => ScheduledJobStatus.DeadLetter;

            [JsonProperty("from")]
            [JsonConverter(typeof(UtcConverter))]
            public DateTime? From { get; set; }

            [JsonProperty("to")]
            [JsonConverter(typeof(UtcConverter))]
            public DateTime? To { get; set; }

            [JsonProperty("dryRun")]
            public bool? DryRun { get; set; }

            [JsonProperty("cursor")]
            public string Cursor { get; set; }
        }
    }
}
