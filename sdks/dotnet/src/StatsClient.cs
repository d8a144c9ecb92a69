using System;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;

namespace Contit.Scheduler
{
    /// <summary>Figures about jobs.</summary>
    public sealed class StatsClient
    {
        private readonly Transport transport;

        internal StatsClient(Transport transport)
        {
            this.transport = transport;
        }

        /// <summary>What happened, hour by hour.</summary>
        /// <param name="from">The last 24 hours unless given.</param>
        /// <param name="to">31 days after it at most.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<SchedulerStats> History(DateTime? from = null, DateTime? to = null, CancellationToken cancellationToken = default(CancellationToken)) =>
            Get<SchedulerStats>("/stats", from, to, cancellationToken);

        /// <summary>How many jobs there are of each kind.</summary>
        /// <param name="from">Those planned at or after it.</param>
        /// <param name="to">Those planned before it.</param>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<ScheduledJobCounts> Jobs(DateTime? from = null, DateTime? to = null, CancellationToken cancellationToken = default(CancellationToken)) =>
            Get<ScheduledJobCounts>("/stats/jobs", from, to, cancellationToken);

        /// <summary>How many jobs are planned for each of the next 24 hours.</summary>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<UpcomingScheduledJobs> Upcoming(CancellationToken cancellationToken = default(CancellationToken)) =>
            Get<UpcomingScheduledJobs>("/stats/upcoming", null, null, cancellationToken);

        private Task<T> Get<T>(string path, DateTime? from, DateTime? to, CancellationToken cancellationToken)
        {
            var call = new Call { Method = HttpMethod.Get, Path = path, Repeatable = true };
            call.Query["from"] = ScheduledJobClient.Text(from);
            call.Query["to"] = ScheduledJobClient.Text(to);
            return transport.Send<T>(call, cancellationToken);
        }
    }
}
