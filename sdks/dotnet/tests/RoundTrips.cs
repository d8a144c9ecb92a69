using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Contit.Scheduler.Tests
{
    /// <summary>The client against a real `scheduler dev`, one for each test.</summary>
    internal sealed partial class RoundTrips : IDisposable
    {
        private const string ApiKey = "dev";
        private readonly Scheduler scheduler;
        private readonly HttpServer receiver;
        private readonly List<ReceivedRequest> received = new List<ReceivedRequest>();
        private readonly ContitClient client;

        private RoundTrips(string program)
        {
            scheduler = new Scheduler(program);
            receiver = new HttpServer(Receive);
            client = new ContitClient(ApiKey, scheduler.Url);
            // Where the programs of the README look.
            Environment.SetEnvironmentVariable("CONTIT_BASE_URL", scheduler.Url);
        }

        public void Dispose()
        {
            scheduler.Dispose();
            receiver.Dispose();
        }

        internal static void AddTo(Tests tests, string program)
        {
            var all = new Dictionary<string, Func<RoundTrips, Task>>
            {
                { "a created job is delivered, byte for byte and signed", one => one.Delivers() },
                { "what the README shows does what it says", one => one.Snippets() },
                { "a parsed payload keeps its dates", one => one.ParsedDates() },
                { "instants of every kind mean the same", one => one.Kinds() },
                { "a program's own JSON settings change nothing", one => one.DefaultSettings() },
                { "all pages hold each job once", one => one.Pages() },
                { "all wrong fields are told at once", one => one.WrongFields() },
                { "a token from a function is asked for each time", one => one.Tokens() },
                { "a token of cancellation ends a call, also while it waits", one => one.Cancellation() },
                { "a dead letter is retried, and all of them", one => one.RetriesADeadLetter() },
                { "a job runs now, and the plan of its series stays", one => one.RunsNow() },
                { "a preview tells what a change of clocks does, and creates nothing", one => one.Previews() },
                { "figures", one => one.Figures() },
                { "who does not answer is named, with what went wrong", one => one.NoAnswer() },
                { "mistakes of the caller are told before anything is sent", one => one.Mistakes() },
                { "1,000 creations through a line that loses answers make 1,000 jobs", one => one.ThousandCreations() },
            };
            foreach (var test in all)
            {
                tests.Add(test.Key, async () =>
                {
                    using (var one = new RoundTrips(program)) await test.Value(one);
                });
            }
        }

        private async Task Delivers()
        {
            var payload = "{\"b\": 1.50, \"a\": \"così\", \"at\": \"2026-03-28T12:00:00+02:00\"}";
            var request = new CreateScheduledJobRequest { DelaySeconds = 30, CallbackUrl = receiver.Url + "/one", Payload = new JRaw(payload) };
            var job = await client.ScheduledJob.Create(request);
            Check.Equal(ScheduledJobStatus.Pending, job.Status);
            Check.Equal("2026-03-28T12:00:00+02:00", (string)job.Payload["at"]);
            await scheduler.TravelTo(Scheduler.Start.AddMinutes(2));

            var callback = received.Single();
            Check.Equal(payload, Encoding.UTF8.GetString(callback.Body));
            Check.Equal(job.Id.ToString(), callback.Header("Contit-Job-Id"));
            var header = callback.Header("Contit-Signature");
            var now = new DateTimeOffset(Scheduler.Start.AddMinutes(1));
            Check.That(SignatureVerifier.Verify(Scheduler.Secret, header, callback.Body, TimeSpan.FromMinutes(5), now), header);
            Check.That(SignatureVerifier.Verify(Scheduler.Secret, header, payload, now: now), header);
            Check.That(!SignatureVerifier.Verify(Scheduler.Secret, header, payload + " ", now: now), "another body");
            Check.That(!SignatureVerifier.Verify(Scheduler.Secret + "x", header, callback.Body, now: now), "another secret");
            Check.That(!SignatureVerifier.Verify(Scheduler.Secret, header, callback.Body), "it is old by our clock");

            var done = await client.ScheduledJob.Get(job.Id);
            Check.Equal(ScheduledJobStatus.Done, done.Status);
            Check.Equal("noted", done.AttemptLog.Single().ResponseSnippet);
            Check.Equal(DateTimeKind.Utc, done.CompletedAtUtc.Value.Kind);
        }

        private async Task Snippets()
        {
            var names = new Func<Task<string>>(async () =>
                string.Join(", ", (await client.ScheduledJob.GetAll(order: ScheduledJobOrder.Ascending)).Select(job => $"{job.Name} {job.Status}")));
            Check.Equal(6, Snippet.Count);
            Check.That((await Snippet.Say0(ApiKey, null, null, null)).EndsWith("2026-03-28 13:00:00Z\n", StringComparison.Ordinal), "an hour later");
            await Snippet.Say1(ApiKey, null, null, null);
            Check.Equal("remind Pending, report Pending", await names());
            var daily = (await client.ScheduledJob.Get()).Single(job => job.Name == "report");
            Check.Equal("10:00 15:00 Europe/Rome", string.Join(" ", daily.ScheduleTimes) + " " + daily.TimeZone);
            await Snippet.Say2(ApiKey, null, null, null);
            Check.Equal("remind Cancelled, report Cancelled", await names());
            var wrong = await Snippet.Say3(ApiKey, null, null, null);
            Check.That(wrong.StartsWith("400 One field is wrong.\n/scheduleTimes/0 must be ", StringComparison.Ordinal), wrong);
            Check.Equal("True\n", await Snippet.Say4(ApiKey, null, null, null));
            Check.Equal(3, (await client.ScheduledJob.Get()).Count);
            Check.Equal("answer 401\n", await Snippet.Say5(ApiKey, Scheduler.Secret, "t=1,s=00", new byte[0]));
        }

        private async Task ParsedDates()
        {
            var payload = JToken.Parse("{\"at\": \"2026-03-28T12:00:00Z\", \"day\": \"2026-03-28\"}");
            var job = await client.ScheduledJob.Create(new CreateScheduledJobRequest { CallbackUrl = receiver.Url, Payload = payload });
            Check.Equal("2026-03-28T12:00:00Z 2026-03-28", $"{job.Payload["at"]} {job.Payload["day"]}");
        }

        private async Task Kinds()
        {
            var utc = new DateTime(2026, 12, 24, 18, 0, 0, 250, DateTimeKind.Utc);
            foreach (var instant in new[] { utc, utc.ToLocalTime(), DateTime.SpecifyKind(utc, DateTimeKind.Unspecified) })
            {
                var job = await client.ScheduledJob.Create(new CreateScheduledJobRequest { CallbackUrl = receiver.Url, FireAtUtc = instant });
                Check.Equal(utc, job.FireAtUtc);
                Check.Equal(DateTimeKind.Utc, job.FireAtUtc.Kind);
                Check.Equal(job.Id, (await client.ScheduledJob.Get(ScheduledJobStatus.Pending, instant, instant.AddMilliseconds(1))).Single().Id);
                await client.ScheduledJob.Cancel(job.Id.ToString());
                Check.Equal(0, (await client.ScheduledJob.Get(status: ScheduledJobStatus.Pending)).Count);
            }
        }

        private async Task DefaultSettings()
        {
            JsonConvert.DefaultSettings = () => new JsonSerializerSettings
            {
                DateFormatString = "yyyy",
                DefaultValueHandling = DefaultValueHandling.Ignore,
                TypeNameHandling = TypeNameHandling.All,
                Formatting = Formatting.Indented,
                NullValueHandling = NullValueHandling.Include,
            };
            try
            {
                var request = new CreateScheduledJobRequest { CallbackUrl = receiver.Url, DelaySeconds = 0, FireAtUtc = Scheduler.Start.AddHours(1) };
                Check.Equal(Scheduler.Start.AddHours(1), (await client.ScheduledJob.Create(request)).FireAtUtc);
            }
            finally
            {
                JsonConvert.DefaultSettings = null;
            }
        }

        private async Task Pages()
        {
            for (var i = 0; i < 5; i++)
            {
                await client.ScheduledJob.Create(new CreateScheduledJobRequest { CallbackUrl = receiver.Url, FireAtUtc = Scheduler.Start.AddSeconds(i) });
            }
            var to = Scheduler.Start.AddSeconds(4);
            var jobs = await client.ScheduledJob.GetAll(to: to, order: ScheduledJobOrder.Ascending, pageSize: 2);
            Check.Equal("0 1 2 3", string.Join(" ", jobs.Select(job => (job.FireAtUtc - Scheduler.Start).TotalSeconds)));
            var first = await client.ScheduledJob.Get(to: to, limit: 3);
            var second = await client.ScheduledJob.Get(to: to, limit: 3, cursor: first.NextCursor);
            Check.Equal("3 1", $"{first.Count} {second.Count}");
            Check.Equal(null, second.NextCursor);
        }

        private async Task WrongFields()
        {
            var request = new CreateScheduledJobRequest { CallbackUrl = "x", ScheduleTimes = new List<string> { "1000" } };
            var wrong = await Check.Throws<ContitException>(() => client.ScheduledJob.Create(request));
            Check.Equal("400 /callbackUrl /scheduleTimes/0", $"{wrong.StatusCode} {string.Join(" ", wrong.Errors.Select(error => error.Pointer))}");
            Check.That(wrong.Message.StartsWith("400: 2 fields are wrong. /callbackUrl must be", StringComparison.Ordinal), wrong.Message);
            Check.That(wrong.Instance.Length > 0, "the id of the request");

            var job = await client.ScheduledJob.Create(new CreateScheduledJobRequest { CallbackUrl = receiver.Url, DelaySeconds = 60 });
            await client.ScheduledJob.Cancel(job.Id);
            var late = await Check.Throws<ContitException>(() => client.ScheduledJob.Cancel(job.Id));
            Check.Equal("409 Cancelled", $"{late.StatusCode} {late.JobStatus}");
            var unknown = await Check.Throws<ContitException>(() => client.ScheduledJob.Get(Guid.NewGuid()));
            Check.Equal(404, unknown.StatusCode);
        }

        private async Task Tokens()
        {
            var tokens = new Queue<string>(new[] { "dev", "wrong" });
            var options = new ContitClientOptions { BaseUrl = scheduler.Url, GetApiKey = cancellationToken => Task.FromResult(tokens.Dequeue()) };
            var changing = new ContitClient(options);
            await changing.ScheduledJob.Get();
            Check.Equal(401, (await Check.Throws<ContitException>(() => changing.ScheduledJob.Get())).StatusCode);
        }

        private async Task Cancellation()
        {
            using (var ending = new CancellationTokenSource())
            {
                var options = new ContitClientOptions { ApiKey = ApiKey, BaseUrl = NobodyThere() };
                var wait = options.Wait;
                options.Wait = (time, cancellationToken) =>
                {
                    ending.Cancel();
                    return wait(time, cancellationToken);
                };
                var call = new ContitClient(options).ScheduledJob.Get(cancellationToken: ending.Token);
                await Check.Throws<OperationCanceledException>(() => call);
                await Check.Throws<OperationCanceledException>(() => client.ScheduledJob.Get(cancellationToken: ending.Token));
            }
        }

        private async Task NoAnswer()
        {
            var nobody = NobodyThere();
            var options = new ContitClientOptions { ApiKey = ApiKey, BaseUrl = nobody, MaxAttempts = 1 };
            var gone = await Check.Throws<ContitConnectionException>(() => new ContitClient(options).ScheduledJob.Get());
            Check.That(gone.Message.StartsWith($"{nobody} did not answer GET /scheduled-jobs: ", StringComparison.Ordinal), gone.Message);
            Check.That(gone.Message.Contains("refused"), gone.Message);

            using (var never = new ManualResetEvent(false))
            using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30)))
            using (var silent = new HttpServer(request => never.WaitOne() ? new RawAnswer { Close = true } : null))
            using (var stalling = new HttpServer(request => Unfinished()))
            {
                foreach (var server in new[] { silent, stalling })
                {
                    options = new ContitClientOptions { ApiKey = ApiKey, BaseUrl = server.Url, MaxAttempts = 1, Timeout = TimeSpan.FromSeconds(0.5) };
                    var call = new ContitClient(options).ScheduledJob.Get(cancellationToken: patience.Token);
                    var slow = await Check.Throws<ContitConnectionException>(() => call);
                    Check.That(slow.Message.EndsWith("no answer within 00:00:00.5000000", StringComparison.Ordinal), slow.Message);
                }
                never.Set();
            }
        }

        private async Task Mistakes()
        {
            await Check.Throws<ArgumentException>(() => Task.FromResult(new ContitClient("")));
            await Check.Throws<ArgumentException>(() => Task.FromResult(new ContitClient(ApiKey, "not a url")));
            await Check.Throws<ArgumentException>(() => Task.FromResult(new ContitClient(ApiKey, "ftp://example.org")));
            await Check.Throws<ArgumentException>(() => Task.FromResult(new ContitClient(new ContitClientOptions { ApiKey = ApiKey, MaxAttempts = 0 })));
            await Check.Throws<ArgumentException>(() => client.ScheduledJob.Create(null));
            await Check.Throws<ArgumentException>(() => client.ScheduledJob.Create(new CreateScheduledJobRequest(), ""));
            await Check.Throws<ArgumentException>(() => Task.FromResult(SignatureVerifier.Verify(null, "", "")));
        }

        private async Task ThousandCreations()
        {
            var made = new List<Guid>();
            var next = 0;
            using (var proxy = new FlakyProxy(scheduler.Url, 20260328))
            using (var httpClient = new HttpClient())
            {
                var options = new ContitClientOptions { ApiKey = ApiKey, BaseUrl = proxy.Url, MaxAttempts = 20, HttpClient = httpClient };
                options.Wait = (time, cancellationToken) => Task.FromResult(0);
                var shaky = new ContitClient(options);
                var workers = Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
                {
                    for (var i = Interlocked.Increment(ref next); i <= 1000; i = Interlocked.Increment(ref next))
                    {
                        var request = new CreateScheduledJobRequest { CallbackUrl = receiver.Url, FireAtUtc = Scheduler.Start.AddDays(365).AddSeconds(i) };
                        var job = await shaky.ScheduledJob.Create(request);
                        lock (made) made.Add(job.Id);
                    }
                }));
                await Task.WhenAll(workers);
                Check.That(proxy.LostAnswers > 150 && proxy.LostRequests > 20, $"{proxy.LostAnswers}, {proxy.LostRequests} were lost");
            }
            var there = await client.ScheduledJob.GetAll();
            Check.Equal(1000, there.Count);
            Check.That(new HashSet<Guid>(made).SetEquals(there.Select(job => job.Id)) && made.Count == 1000, "each once");
        }

        private RawAnswer Receive(ReceivedRequest request)
        {
            lock (received) received.Add(request);
            var status = request.Target.StartsWith("/fail", StringComparison.Ordinal) ? 501 : 200;
            return RawAnswer.Of(status, new Dictionary<string, string>(), Encoding.ASCII.GetBytes("noted"));
        }

        /// <summary>Ten bytes of the body do not come.</summary>
        private static RawAnswer Unfinished()
        {
            var answer = RawAnswer.Of(200, new Dictionary<string, string>(), Encoding.ASCII.GetBytes("{"), missing: 10);
            answer.Close = false;
            return answer;
        }

        private static string NobodyThere()
        {
            using (var left = new HttpServer(request => null)) return left.Url;
        }
    }
}
