using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json;

namespace Contit.Scheduler
{
    /// <summary>One call of the API.</summary>
    internal sealed class Call
    {
        internal HttpMethod Method;
        internal string Path;
        internal Dictionary<string, string> Query = new Dictionary<string, string>();
        internal string Body;
        internal string IdempotencyKey;

        /// <summary>Whether it may be repeated when nobody knows if it was done.</summary>
        internal bool Repeatable;
    }

    /// <summary>Makes calls, with what is tried again when they fail. It knows nothing of jobs.</summary>
    internal sealed class Transport
    {
        private static readonly string UserAgent = "contit-scheduler-dotnet/" + typeof(Transport).Assembly.GetName().Version.ToString(3);
        private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(0.5);
        private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(8);

        // Whoever is asked to wait longer is told instead.
        private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromSeconds(120);

        // One for all clients: programs that make a client for each call must not run out of sockets.
        private static readonly Lazy<HttpClient> SharedHttpClient = new Lazy<HttpClient>(MakeHttpClient);

        private readonly ContitClientOptions options;
        private readonly string baseUrl;

        internal Transport(ContitClientOptions options)
        {
            if (string.IsNullOrEmpty(options.ApiKey) && options.GetApiKey == null) throw new ArgumentException("A token is needed.", "apiKey");
            if (options.MaxAttempts < 1) throw new ArgumentOutOfRangeException(nameof(options.MaxAttempts), "must be 1 or more");
            this.options = options;
            var environment = Environment.GetEnvironmentVariable("CONTIT_BASE_URL");
            var given = options.BaseUrl ?? (string.IsNullOrEmpty(environment) ? "http://127.0.0.1:8080" : environment);
            Uri uri;
            if (!Uri.TryCreate(given, UriKind.Absolute, out uri) || (uri.Scheme != "http" && uri.Scheme != "https"))
            {
                throw new ArgumentException($"{given} is not an absolute http or https URL.", "baseUrl");
            }
            baseUrl = uri.AbsoluteUri.TrimEnd('/');
        }

        internal async Task<T> Send<T>(Call call, CancellationToken cancellationToken)
        {
            var mayHaveBeenDone = false;
            for (var attempt = 1; ; attempt++)
            {
                ContitException failure;
                try
                {
                    return await Attempt<T>(call, cancellationToken).ConfigureAwait(false);
                }
                catch (ContitException exception)
                {
                    failure = exception;
                }

                var status = failure.StatusCode;
                var inTheDark = status == null || status == 502 || status == 504;
                mayHaveBeenDone |= inTheDark || status == 503;
                failure.MayHaveBeenDone = mayHaveBeenDone;
                var worthwhile = status == 429 || status == 503 || (inTheDark && call.Repeatable);
                var retryAfter = failure.RetryAfter ?? TimeSpan.Zero;
                if (!worthwhile || attempt >= options.MaxAttempts || retryAfter > LongestRetryAfter) throw failure;
                var backoff = Backoff(attempt);
                await options.Wait(retryAfter > backoff ? retryAfter : backoff, cancellationToken).ConfigureAwait(false);
            }
        }

        private async Task<T> Attempt<T>(Call call, CancellationToken cancellationToken)
        {
            var key = options.GetApiKey == null ? options.ApiKey : await options.GetApiKey(cancellationToken).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            using (var request = Request(call, key))
            using (var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
            {
                ending.CancelAfter(options.Timeout);
                HttpResponseMessage response;
                string text;
                try
                {
                    var client = options.HttpClient ?? SharedHttpClient.Value;
                    response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ending.Token).ConfigureAwait(false);
                    text = await ReadWhole(response, ending.Token).ConfigureAwait(false);
                }
                catch (Exception exception) when (IsOfTheConnection(exception))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    var why = ending.IsCancellationRequested ? $"no answer within {options.Timeout}" : Innermost(exception).Message;
                    throw new ContitConnectionException($"{baseUrl} did not answer {call.Method} {call.Path}: {why}", exception);
                }
                using (response)
                {
                    return Understand<T>(response, text);
                }
            }
        }

        private HttpRequestMessage Request(Call call, string key)
        {
            var query = string.Join("&", call.Query.Where(p => p.Value != null).Select(p => $"{p.Key}={Uri.EscapeDataString(p.Value)}"));
            var request = new HttpRequestMessage(call.Method, baseUrl + call.Path + (query.Length == 0 ? "" : "?" + query));
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + key);
            request.Headers.TryAddWithoutValidation("Accept", "application/json");
            request.Headers.TryAddWithoutValidation("User-Agent", UserAgent);
            request.Headers.ExpectContinue = false;
            if (call.IdempotencyKey != null) request.Headers.TryAddWithoutValidation("Idempotency-Key", call.IdempotencyKey);
            if (call.Body != null)
            {
                request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(call.Body));
                request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            }
            return request;
        }

        /// <summary>To its end. .NET Standard's reading takes no token: it ends when what it reads is disposed of.</summary>
        private static async Task<string> ReadWhole(HttpResponseMessage response, CancellationToken cancellationToken)
        {
            using (cancellationToken.Register(response.Dispose))
            {
                var bytes = await response.Content.ReadAsByteArrayAsync().ConfigureAwait(false);
                return Encoding.UTF8.GetString(bytes);
            }
        }

        private static T Understand<T>(HttpResponseMessage response, string text)
        {
            if (response.IsSuccessStatusCode)
            {
                try
                {
                    var value = Json.Read<T>(text);
                    if (value != null) return value;
                }
                catch (JsonException)
                {
                    // Told below: it is not what was asked for.
                }
            }
            throw new ContitException((int)response.StatusCode, Json.Parse(text), RetryAfter(response));
        }

        /// <summary>Of two clocks the server's own is compared with, when the answer says what it is.</summary>
        private static TimeSpan? RetryAfter(HttpResponseMessage response)
        {
            var header = response.Headers.RetryAfter;
            if (header == null) return null;
            if (header.Date == null) return header.Delta;
            var wait = header.Date.Value - (response.Headers.Date ?? DateTimeOffset.UtcNow);
            return wait > TimeSpan.Zero ? TimeSpan.FromSeconds(Math.Ceiling(wait.TotalSeconds)) : TimeSpan.Zero;
        }

        private static bool IsOfTheConnection(Exception exception) =>
            exception is HttpRequestException || exception is OperationCanceledException || exception is IOException
            || exception is WebException || exception is SocketException || exception is ObjectDisposedException;

        private static Exception Innermost(Exception exception)
        {
            while (exception.InnerException != null) exception = exception.InnerException;
            return exception;
        }

        /// <summary>Between half and all of a wait that doubles, so that many clients do not come back together.</summary>
        private static TimeSpan Backoff(int attempt)
        {
            var full = Math.Min(FirstWait.TotalSeconds * Math.Pow(2, attempt - 1), LongestWait.TotalSeconds);
            var share = 0.5 + (new Random(Guid.NewGuid().GetHashCode()).NextDouble() / 2);
            return TimeSpan.FromSeconds(full * share);
        }

        private static HttpClient MakeHttpClient()
        {
            // A redirect is told to the caller: a token and a job go where they were meant to go, or nowhere.
#if NET8_0_OR_GREATER
            var handler = new SocketsHttpHandler { AllowAutoRedirect = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) };
#else
            var handler = new HttpClientHandler { AllowAutoRedirect = false };
#endif
            return new HttpClient(handler) { Timeout = System.Threading.Timeout.InfiniteTimeSpan };
        }
    }
}
