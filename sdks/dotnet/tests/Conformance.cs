using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Contit.Scheduler.Tests
{
    /// <summary>Every case of sdks/conformance against a scripted server.</summary>
    internal static class Conformance
    {
        internal static void AddTo(Tests tests, string folder)
        {
            var documents = (JObject)Read(folder, "documents.json");
            var names = new HashSet<string>();
            foreach (var file in Directory.GetFiles(folder, "*.json").Select(Path.GetFileName).OrderBy(name => name, StringComparer.Ordinal))
            {
                if (file == "documents.json" || file == "signatures.json") continue;
                foreach (var raw in Read(folder, file)["cases"])
                {
                    var one = (JObject)WithDocuments(raw, documents);
                    if (!names.Add((string)one["name"])) throw new InvalidDataException($"two cases are called {one["name"]}");
                    tests.Add($"{file}: {one["name"]}", () => Run(one));
                }
            }
            if (names.Count < 50) throw new InvalidDataException($"only {names.Count} cases were found");
            foreach (var vector in Read(folder, "signatures.json")["vectors"]) tests.Add($"signatures.json: {vector["name"]}", () => Verify(vector));
        }

        private static JToken Read(string folder, string file) => Comparison.Parse(File.ReadAllText(Path.Combine(folder, file)));

        private static JToken WithDocuments(JToken value, JObject documents)
        {
            var array = value as JArray;
            if (array != null) return new JArray(array.Select(item => WithDocuments(item, documents)));
            var members = value as JObject;
            if (members == null) return value;
            var name = members["$document"];
            var whole = name == null ? new JObject() : (JObject)documents[(string)name].DeepClone();
            foreach (var member in members.Properties().Where(member => member.Name != "$document"))
            {
                whole[member.Name] = WithDocuments(member.Value, documents);
            }
            return whole;
        }

        private static async Task Run(JObject one)
        {
            var waits = new List<double>();
            JToken result = null;
            JObject error = null;
            using (var server = new ScriptedServer(one["exchanges"]))
            {
                var settings = one["client"] as JObject ?? new JObject();
                var client = new ContitClient(new ContitClientOptions
                {
                    ApiKey = "conformance-key",
                    BaseUrl = server.Url + (string)settings["basePath"],
                    MaxAttempts = (int?)settings["maxAttempts"] ?? 5,
                    Wait = (time, cancellationToken) =>
                    {
                        waits.Add(time.TotalSeconds);
                        return Task.FromResult(0);
                    },
                });
                try
                {
                    var value = await Call(client, (string)one["operation"], (JObject)one["arguments"]);
                    result = Comparison.Parse(JsonConvert.SerializeObject(value));
                }
                catch (ArgumentException)
                {
                    error = new JObject { { "kind", "argument" } };
                }
                catch (ContitException exception)
                {
                    error = Described(exception);
                }
                Check.Equal("", string.Join("\n", server.Complaints()));
            }
            var bounds = (one["waitsSeconds"] ?? new JArray()).Select(pair => new { Least = (double)pair[0], Most = (double)pair[1] }).ToList();
            var fit = waits.Count == bounds.Count && waits.Zip(bounds, (wait, bound) => bound.Least <= wait && wait <= bound.Most).All(fits => fits);
            Check.That(fit, $"waits {string.Join(", ", waits)} instead of {one["waitsSeconds"]}");
            if (one["error"] != null)
            {
                Check.Json(Comparison.Normal(one["error"], true), error == null ? result : Comparison.Normal(error, true));
                return;
            }
            Check.That(error == null, $"{error}");
            var expected = Comparison.Normal(one["result"], false);
            var actual = Comparison.Normal(result, false);
            if (one["resultMayHaveMore"] != null)
            {
                var known = ((JObject)expected).Properties().Select(member => member.Name).ToList();
                actual = new JObject(((JObject)actual).Properties().Where(member => known.Contains(member.Name)));
            }
            Check.Json(expected, actual);
        }

        private static async Task<object> Call(ContitClient client, string operation, JObject given)
        {
            var id = (string)given["id"];
            var status = given["status"] == null ? (ScheduledJobStatus?)null : given["status"].ToObject<ScheduledJobStatus>();
            var from = Instant(given["from"]);
            var to = Instant(given["to"]);
            var cursor = (string)given["cursor"];
            var dryRun = (bool?)given["dryRun"] ?? false;
            var seriesId = given["seriesId"] == null ? (Guid?)null : Guid.Parse((string)given["seriesId"]);
            var order = given["order"] == null ? (ScheduledJobOrder?)null
                : (string)given["order"] == "asc" ? ScheduledJobOrder.Ascending : ScheduledJobOrder.Descending;
            var limit = (int?)given["limit"];
            switch (operation)
            {
                case "create":
                    var key = (string)given["requestKey"];
                    return key == null ? await client.ScheduledJob.Create(Request(given)) : await client.ScheduledJob.Create(Request(given), key);
                case "preview": return await client.ScheduledJob.Preview(Request(given), (int?)given["count"]);
                case "get": return await client.ScheduledJob.Get(id);
                case "cancel": return await client.ScheduledJob.Cancel(id);
                case "retry": return await client.ScheduledJob.Retry(id);
                case "runNow": return await client.ScheduledJob.RunNow(id);
                case "list": return await client.ScheduledJob.Get(status, from, to, limit, cursor, order, seriesId);
                case "listAll": return await client.ScheduledJob.GetAll(status, from, to, order, seriesId, limit);
                case "retryDeadLetters": return await client.ScheduledJob.RetryDeadLetters(from, to, dryRun, cursor);
                case "retryAllDeadLetters": return await client.ScheduledJob.RetryAllDeadLetters(from, to, dryRun);
                case "stats": return await client.Stats.History(from, to);
                case "statsJobs": return await client.Stats.Jobs(from, to);
                case "whoami": return await client.WhoAmI();
                case "statsUpcoming": return await client.Stats.Upcoming();
                default: throw new InvalidDataException($"no such operation: {operation}");
            }
        }

        private static CreateScheduledJobRequest Request(JObject given)
        {
            var settings = new JsonSerializerSettings { DateParseHandling = DateParseHandling.None, MissingMemberHandling = MissingMemberHandling.Error };
            var request = JsonConvert.DeserializeObject<CreateScheduledJobRequest>(given["request"].ToString(), settings);
            if (given["request"]["payload"] != null) request.Payload = given["request"]["payload"];
            if (given["payloadText"] != null) request.Payload = new JRaw((string)given["payloadText"]);
            return request;
        }

        private static DateTime? Instant(JToken value) => value == null ? (DateTime?)null : DateTimeOffset.Parse((string)value).UtcDateTime;

        private static JObject Described(ContitException exception)
        {
            var told = new JObject { { "kind", exception is ContitConnectionException ? "connection" : "problem" } };
            if (exception.StatusCode != null) told["status"] = exception.StatusCode;
            if (exception.Type != null) told["type"] = exception.Type;
            if (exception.Title != null) told["title"] = exception.Title;
            if (exception.Detail != null) told["detail"] = exception.Detail;
            if (exception.Instance != null) told["instance"] = exception.Instance;
            if (exception.JobStatus != null) told["jobStatus"] = exception.JobStatus.ToString();
            if (exception.RetryAfter != null) told["retryAfterSeconds"] = exception.RetryAfter.Value.TotalSeconds;
            if (exception.MayHaveBeenDone) told["mayHaveBeenDone"] = true;
            var errors = exception.Errors.Select(wrong => new JObject { { "pointer", wrong.Pointer }, { "detail", wrong.Detail } });
            if (exception.Errors.Count > 0) told["errors"] = new JArray(errors);
            return told;
        }

        private static Task Verify(JToken vector)
        {
            var hex = (string)vector["bodyHex"];
            var body = Enumerable.Range(0, hex.Length / 2).Select(i => Convert.ToByte(hex.Substring(2 * i, 2), 16)).ToArray();
            var tolerance = TimeSpan.FromSeconds((int)vector["toleranceSeconds"]);
            var now = DateTimeOffset.FromUnixTimeSeconds((long)vector["now"]);
            var valid = SignatureVerifier.Verify((string)vector["secret"], (string)vector["header"], body, tolerance, now);
            Check.Equal((bool)vector["valid"], valid);
            return Task.FromResult(0);
        }
    }
}
