using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Contit.Scheduler.Tests
{
    /// <summary>Expects the requests of one conformance case, in order, and answers as the case says.</summary>
    internal sealed class ScriptedServer : IDisposable
    {
        private readonly List<JToken> exchanges;
        private readonly List<ReceivedRequest> received = new List<ReceivedRequest>();
        private readonly List<string> complaints = new List<string>();
        private readonly HttpServer server;

        internal ScriptedServer(JToken exchanges)
        {
            this.exchanges = exchanges.ToList();
            server = new HttpServer(Answer);
        }

        internal string Url => server.Url;

        public void Dispose() => server.Dispose();

        internal IReadOnlyList<string> Complaints()
        {
            lock (received)
            {
                var missing = exchanges.Count - received.Count;
                return missing > 0 ? complaints.Concat(new[] { $"{missing} requests did not come" }).ToList() : complaints;
            }
        }

        private RawAnswer Answer(ReceivedRequest request)
        {
            lock (received)
            {
                received.Add(request);
                if (received.Count > exchanges.Count)
                {
                    complaints.Add($"not expected: {request.Method} {request.Target}");
                    return RawAnswer.Of(418, new Dictionary<string, string>(), new byte[0]);
                }
                var exchange = exchanges[received.Count - 1];
                if (exchange["request"].Type == JTokenType.String)
                {
                    Expect("the request before", Essence(request), Essence(received[received.Count - 2]));
                }
                else
                {
                    Compare(request, (JObject)exchange["request"]);
                }
                return Raw(exchange["answer"]);
            }
        }

        private static RawAnswer Raw(JToken answer)
        {
            if (answer.Type == JTokenType.String) return new RawAnswer { Close = true };
            var status = (int)answer["status"];
            var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase)
            {
                { "content-type", status < 400 ? "application/json" : "application/problem+json" },
            };
            foreach (var header in (answer["headers"] as JObject ?? new JObject()).Properties()) headers[header.Name] = (string)header.Value;
            var text = (string)answer["bodyText"] ?? answer["body"].ToString(Formatting.None);
            return RawAnswer.Of(status, headers, Encoding.UTF8.GetBytes(text), answer["cutOff"] == null ? 0 : 10);
        }

        private void Compare(ReceivedRequest request, JObject expected)
        {
            var target = request.Target.Split(new[] { '?' }, 2);
            Expect("method", request.Method, (string)expected["method"]);
            Expect("path", target[0], (string)expected["path"]);
            var query = new JObject();
            foreach (var pair in (target.Length > 1 ? target[1] : "").Split(new[] { '&' }, StringSplitOptions.RemoveEmptyEntries))
            {
                var parts = pair.Split(new[] { '=' }, 2);
                query.Add(parts[0], Uri.UnescapeDataString(parts[1].Replace('+', ' ')));
            }
            Expect("query", Comparison.Normal(query, true, "from", "to"), Comparison.Normal(expected["query"] ?? new JObject(), true, "from", "to"));
            Expect("authorization", request.Header("authorization"), "Bearer conformance-key");
            foreach (var header in (expected["headers"] as JObject ?? new JObject()).Properties())
            {
                var sent = request.Header(header.Name);
                if ((string)header.Value == "$any") Expect(header.Name + " fits", Regex.IsMatch(sent ?? "", "^[!-~]{1,255}$").ToString(), "True");
                else Expect(header.Name, sent, (string)header.Value);
            }
            var body = Encoding.UTF8.GetString(request.Body);
            if (expected["bodyText"] != null) Expect("body", body, (string)expected["bodyText"]);
            if (expected["body"] != null)
            {
                var more = target[0].EndsWith("/retry", StringComparison.Ordinal) ? new[] { "from", "to" } : new string[0];
                Expect("body", Comparison.Normal(Comparison.Parse(body), true, more), Comparison.Normal(expected["body"], true, more));
            }
        }

        private static string Essence(ReceivedRequest request) =>
            $"{request.Method} {request.Target} {request.Header("Idempotency-Key")} {Encoding.UTF8.GetString(request.Body)}";

        private void Expect(string what, string actual, string expected)
        {
            if (actual != expected) complaints.Add($"{what}: {actual} instead of {expected}");
        }

        private void Expect(string what, JToken actual, JToken expected)
        {
            if (!JToken.DeepEquals(actual, expected)) complaints.Add($"{what}: {actual} instead of {expected}");
        }
    }
}
