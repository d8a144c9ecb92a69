using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Threading.Tasks;
using Newtonsoft.Json.Linq;

namespace Contit.Scheduler.Tests
{
    /// <summary>Runs them one after the other and tells which failed.</summary>
    internal sealed class Tests
    {
        private readonly List<KeyValuePair<string, Func<Task>>> tests = new List<KeyValuePair<string, Func<Task>>>();

        internal void Add(string name, Func<Task> test) => tests.Add(new KeyValuePair<string, Func<Task>>(name, test));

        internal int Run(string filter)
        {
            var failed = 0;
            var chosen = tests.Where(test => test.Key.Contains(filter)).ToList();
            foreach (var test in chosen)
            {
                try
                {
                    test.Value().GetAwaiter().GetResult();
                }
                catch (Exception exception)
                {
                    failed++;
                    Console.WriteLine($"FAILED {test.Key}\n  {exception}");
                }
            }
            Console.WriteLine($"{chosen.Count - failed} of {chosen.Count} tests of the .NET SDK passed");
            return failed == 0 && chosen.Count > 0 ? 0 : 1;
        }
    }

    internal static class Check
    {
        internal static void That(bool holds, string otherwise)
        {
            if (!holds) throw new InvalidDataException(otherwise);
        }

        internal static void Equal<T>(T expected, T actual) =>
            That(EqualityComparer<T>.Default.Equals(expected, actual), $"{actual}\ninstead of\n{expected}");

        internal static void Json(JToken expected, JToken actual) => That(JToken.DeepEquals(expected, actual), $"{actual}\ninstead of\n{expected}");

        internal static async Task<T> Throws<T>(Func<Task> action)
            where T : Exception
        {
            try
            {
                await action();
            }
            catch (T exception)
            {
                return exception;
            }
            throw new InvalidDataException($"no {typeof(T).Name} was thrown");
        }
    }

    internal static class Program
    {
        /// <summary>The folder of the conformance suite, the program `scheduler`, and which tests: those with these words.</summary>
        public static int Main(string[] arguments)
        {
            ServicePointManager.DefaultConnectionLimit = 16;
            var tests = new Tests();
            Conformance.AddTo(tests, arguments[0]);
            RoundTrips.AddTo(tests, arguments[1]);
            return tests.Run(arguments.Length > 2 ? arguments[2] : "");
        }
    }
}
