using System;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;

namespace Contit.Scheduler
{
    /// <summary>The Scheduler, as one tenant sees it. Keep one and share it: it is safe for use by many threads.</summary>
    public sealed class ContitClient
    {
        private readonly Transport transport;

        /// <summary>A client of the Scheduler.</summary>
        /// <param name="apiKey">The token.</param>
        /// <param name="baseUrl">
        /// Where the Scheduler is. Unless given, the environment variable <c>CONTIT_BASE_URL</c>, or <c>http://127.0.0.1:8080</c>.
        /// </param>
        /// <param name="httpClient">Instead of one that all clients share. It stays yours.</param>
        public ContitClient(string apiKey, string baseUrl = null, HttpClient httpClient = null)
            : this(new ContitClientOptions { ApiKey = apiKey, BaseUrl = baseUrl, HttpClient = httpClient })
        {
        }

        /// <summary>A client of the Scheduler.</summary>
        /// <param name="options">The token, and how to call.</param>
        public ContitClient(ContitClientOptions options)
        {
            if (options == null) throw new ArgumentNullException(nameof(options));
            transport = new Transport(options);
            ScheduledJob = new ScheduledJobClient(transport);
            Stats = new StatsClient(transport);
        }

        /// <summary>Jobs: create, get, cancel, retry, run now, preview.</summary>
        public ScheduledJobClient ScheduledJob { get; }

        /// <summary>Figures about jobs.</summary>
        public StatsClient Stats { get; }

        /// <summary>Whose the token is and what it may do.</summary>
        /// <param name="cancellationToken">Ends the call.</param>
        public Task<TokenOwner> WhoAmI(CancellationToken cancellationToken = default(CancellationToken)) =>
            transport.Send<TokenOwner>(new Call { Method = HttpMethod.Get, Path = "/whoami", Repeatable = true }, cancellationToken);
    }

    /// <summary>The token, and how to call.</summary>
    public sealed class ContitClientOptions
    {
        /// <summary>The token.</summary>
        public string ApiKey { get; set; }

        /// <summary>Instead of <see cref="ApiKey"/>: asked for a token before each attempt, for tokens that expire.</summary>
        public Func<CancellationToken, Task<string>> GetApiKey { get; set; }

        /// <summary>Where the Scheduler is. Unless set, the environment variable <c>CONTIT_BASE_URL</c>, or <c>http://127.0.0.1:8080</c>.</summary>
        public string BaseUrl { get; set; }

        /// <summary>Instead of one that all clients share. It should not follow redirects.</summary>
        public HttpClient HttpClient { get; set; }

        /// <summary>How often a call is tried in all; 1 means never again.</summary>
        public int MaxAttempts { get; set; } = 5;

        /// <summary>How long one attempt may take.</summary>
        public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

        /// <summary>Instead of waiting between attempts; for tests.</summary>
        public Func<TimeSpan, CancellationToken, Task> Wait { get; set; } = Task.Delay;
    }
}
