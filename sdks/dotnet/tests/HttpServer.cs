using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;

namespace Contit.Scheduler.Tests
{
    /// <summary>A request as it came over the wire.</summary>
    internal sealed class ReceivedRequest
    {
        internal string Method;
        internal string Target;
        internal readonly Dictionary<string, string> Headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        internal byte[] Body = new byte[0];

        internal string Header(string name)
        {
            string value;
            return Headers.TryGetValue(name, out value) ? value : null;
        }
    }

    /// <summary>What is written back; with <see cref="Close"/> the connection ends after it.</summary>
    internal sealed class RawAnswer
    {
        internal byte[] Bytes = new byte[0];
        internal bool Close;

        internal static RawAnswer Of(int status, IDictionary<string, string> headers, byte[] body, int missing = 0)
        {
            var head = new StringBuilder($"HTTP/1.1 {status} Answer\r\ncontent-length: {body.Length + missing}\r\n");
            foreach (var header in headers) head.Append($"{header.Key}: {header.Value}\r\n");
            var bytes = new MemoryStream();
            var text = Encoding.ASCII.GetBytes(head.Append("\r\n").ToString());
            bytes.Write(text, 0, text.Length);
            bytes.Write(body, 0, body.Length);
            return new RawAnswer { Bytes = bytes.ToArray(), Close = missing > 0 };
        }
    }

    /// <summary>A port of its own on this machine; each connection has a thread.</summary>
    internal sealed class Port : IDisposable
    {
        private readonly TcpListener listener = new TcpListener(IPAddress.Loopback, 0);
        private volatile bool stopped;

        internal Port(Action<TcpClient> serve)
        {
            listener.Start();
            Url = $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";
            Start(() => Accept(serve));
        }

        internal string Url { get; }

        public void Dispose()
        {
            stopped = true;
            listener.Stop();
        }

        internal static void Start(Action work) => new Thread(() => work()) { IsBackground = true }.Start();

        private void Accept(Action<TcpClient> serve)
        {
            try
            {
                for (; ;)
                {
                    var client = listener.AcceptTcpClient();
                    Start(() => serve(client));
                }
            }
            catch (Exception) when (stopped)
            {
                // How it says so differs.
            }
        }
    }

    /// <summary>An HTTP server of a few lines, which can also break off: the framework's own cannot.</summary>
    internal sealed class HttpServer : IDisposable
    {
        private readonly Port port;
        private readonly Func<ReceivedRequest, RawAnswer> answer;

        internal HttpServer(Func<ReceivedRequest, RawAnswer> answer)
        {
            this.answer = answer;
            port = new Port(Serve);
        }

        internal string Url => port.Url;

        public void Dispose() => port.Dispose();

        private void Serve(TcpClient client)
        {
            try
            {
                using (client)
                using (var stream = client.GetStream())
                {
                    for (var request = Read(stream); request != null; request = Read(stream))
                    {
                        var raw = answer(request);
                        stream.Write(raw.Bytes, 0, raw.Bytes.Length);
                        if (raw.Close) return;
                    }
                }
            }
            catch (IOException)
            {
                // The client is gone.
            }
        }

        private static ReceivedRequest Read(Stream stream)
        {
            var line = ReadLine(stream);
            if (line == null) return null;
            var words = line.Split(' ');
            var request = new ReceivedRequest { Method = words[0], Target = words[1] };
            for (line = ReadLine(stream); !string.IsNullOrEmpty(line); line = ReadLine(stream))
            {
                var colon = line.IndexOf(':');
                request.Headers[line.Substring(0, colon)] = line.Substring(colon + 1).Trim();
            }
            request.Body = new byte[int.Parse(request.Header("Content-Length") ?? "0")];
            for (var read = 0; read < request.Body.Length;)
            {
                var more = stream.Read(request.Body, read, request.Body.Length - read);
                if (more == 0) throw new IOException("The request broke off.");
                read += more;
            }
            return request;
        }

        private static string ReadLine(Stream stream)
        {
            var line = new MemoryStream();
            for (var next = stream.ReadByte(); next >= 0; next = stream.ReadByte())
            {
                if (next == '\n') return Encoding.ASCII.GetString(line.ToArray()).TrimEnd('\r');
                line.WriteByte((byte)next);
            }
            return null;
        }
    }
}
