using System;
using System.IO;
using System.Net.Sockets;

namespace Contit.Scheduler.Tests
{
    /// <summary>
    /// Stands between a client and the Scheduler and, on the throw of a seeded die, loses the answer to a request that the Scheduler
    /// has taken, or the request itself.
    /// </summary>
    internal sealed class FlakyProxy : IDisposable
    {
        private readonly Port port;
        private readonly Uri target;
        private readonly Random die;

        internal FlakyProxy(string target, int seed)
        {
            this.target = new Uri(target);
            die = new Random(seed);
            port = new Port(Join);
        }

        internal int LostAnswers { get; private set; }

        internal int LostRequests { get; private set; }

        internal string Url => port.Url;

        public void Dispose() => port.Dispose();

        private void Join(TcpClient client)
        {
            var server = new TcpClient(target.Host, target.Port);
            Action end = () =>
            {
                client.Close();
                server.Close();
            };
            var up = client.GetStream();
            var down = server.GetStream();
            Port.Start(() => Copy(up, down, () => Loses(0.05, () => LostRequests++), end));
            Copy(down, up, () => Loses(0.25, () => LostAnswers++), end);
        }

        private static void Copy(Stream from, Stream to, Func<bool> loses, Action end)
        {
            try
            {
                var buffer = new byte[65536];
                for (var count = from.Read(buffer, 0, buffer.Length); count > 0 && !loses(); count = from.Read(buffer, 0, buffer.Length))
                {
                    to.Write(buffer, 0, count);
                }
            }
            catch (IOException)
            {
                // The other direction has ended both.
            }
            catch (ObjectDisposedException)
            {
                // The other direction has ended both.
            }
            end();
        }

        private bool Loses(double share, Action count)
        {
            lock (die)
            {
                if (die.NextDouble() >= share) return false;
                count();
                return true;
            }
        }
    }
}
