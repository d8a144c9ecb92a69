using System;
using System.Collections.Generic;
using System.Linq;
using Newtonsoft.Json.Linq;

namespace Contit.Scheduler
{
    /// <summary>
    /// An answer that is not the one asked for: a problem document (RFC 9457), or what something between answered.
    /// When there was no answer at all, a <see cref="ContitConnectionException"/>.
    /// </summary>
    public class ContitException : Exception
    {
        internal ContitException(int status, JToken document, TimeSpan? retryAfter)
            : this(status, document as JObject ?? new JObject(), retryAfter)
        {
        }

        private ContitException(int status, JObject problem, TimeSpan? retryAfter)
            : base(InWords(status, problem))
        {
            StatusCode = status;
            Type = Text(problem, "type");
            Title = Text(problem, "title");
            Detail = Text(problem, "detail");
            Instance = Text(problem, "instance");
            Errors = WrongFields(problem);
            ScheduledJobStatus jobStatus;
            if (Enum.TryParse(Text(problem, "jobStatus"), out jobStatus)) JobStatus = jobStatus;
            RetryAfter = retryAfter;
        }

        internal ContitException(string message, Exception inner)
            : base(message, inner)
        {
            Errors = new WrongField[0];
        }

        /// <summary>The status of the answer; <c>null</c> when there was none.</summary>
        public int? StatusCode { get; }

        /// <summary>The problem's type: <c>about:blank</c> when the status says it all.</summary>
        public string Type { get; }

        /// <summary>The problem in two words.</summary>
        public string Title { get; }

        /// <summary>The problem in a sentence.</summary>
        public string Detail { get; }

        /// <summary>The id of the request, to be quoted to the operator.</summary>
        public string Instance { get; }

        /// <summary>All the fields that are wrong.</summary>
        public IReadOnlyList<WrongField> Errors { get; }

        /// <summary>With a 409: the status of the job that keeps it from being changed.</summary>
        public ScheduledJobStatus? JobStatus { get; }

        /// <summary>How long the Scheduler asked to wait.</summary>
        public TimeSpan? RetryAfter { get; }

        /// <summary>Whether what was asked may have been done all the same: the answer to an attempt was lost.</summary>
        public bool MayHaveBeenDone { get; internal set; }

        private static string InWords(int status, JObject problem)
        {
            var words = Text(problem, "detail") ?? Text(problem, "title") ?? "The answer is not one of the Scheduler's.";
            var fields = WrongFields(problem).Select(wrong => $"{wrong.Pointer} {wrong.Detail}").ToList();
            return $"{status}: {words}{(fields.Count == 0 ? "" : " ")}{string.Join("; ", fields)}";
        }

        private static string Text(JObject problem, string name)
        {
            var value = problem[name];
            return value != null && value.Type == JTokenType.String ? (string)value : null;
        }

        private static IReadOnlyList<WrongField> WrongFields(JObject problem)
        {
            var errors = problem["errors"] as JArray ?? new JArray();
            var all = errors.OfType<JObject>().Select(error => new WrongField(Text(error, "pointer"), Text(error, "detail")));
            return all.Where(wrong => wrong.Pointer != null && wrong.Detail != null).ToList();
        }
    }

    /// <summary>The Scheduler could not be reached, or its answer did not arrive.</summary>
    public sealed class ContitConnectionException : ContitException
    {
        internal ContitConnectionException(string message, Exception inner)
            : base(message, inner)
        {
        }
    }

    /// <summary>What is wrong with one field.</summary>
    public sealed class WrongField
    {
        internal WrongField(string pointer, string detail)
        {
            Pointer = pointer;
            Detail = detail;
        }

        /// <summary>Which one: a JSON pointer, such as <c>/scheduleTimes/1</c>.</summary>
        public string Pointer { get; }

        /// <summary>What is wrong with it.</summary>
        public string Detail { get; }
    }
}
