using System;
using System.Diagnostics;
using System.IO;
using System.Net.Http;
using System.Text;
using System.Threading.Tasks;

namespace Contit.Scheduler.Tests
{
    /// <summary>A real `scheduler dev` in memory, on a clock of its own.</summary>
    internal sealed class Scheduler : IDisposable
    {
        internal const string Secret = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHM=";
        internal static readonly DateTime Start = new DateTime(2026, 3, 28, 12, 0, 0, DateTimeKind.Utc);

        private readonly Process process;

        internal Scheduler(string program)
        {
            var arguments = $"dev --in-memory --port 0 --dynamodb-port 0 --now 2026-03-28T12:00:00Z --signing-secret {Secret}";
            process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true });
            for (var line = process.StandardOutput.ReadLine(); Url == null; line = process.StandardOutput.ReadLine())
            {
                if (line == null) throw new InvalidDataException($"{program} ended before it was ready");
                if (line.StartsWith("ready ", StringComparison.Ordinal)) Url = line.Substring("ready ".Length);
            }
            Port.Start(() => process.StandardOutput.ReadToEnd());
        }

        internal string Url { get; }

        /// <summary>Lets time pass to this instant, with all that happens until then.</summary>
        internal async Task TravelTo(DateTime instant)
        {
            var body = new StringContent($"{{\"nowUtc\": \"{instant:yyyy-MM-ddTHH:mm:ssZ}\"}}", Encoding.UTF8, "application/json");
            using (var client = new HttpClient())
            {
                var response = await client.PutAsync(Url + "/dev/clock", body);
                Check.That(response.IsSuccessStatusCode, $"the clock does not move: {response.StatusCode}");
            }
        }

        public void Dispose()
        {
            process.Kill();
            process.WaitForExit();
        }
    }
}
