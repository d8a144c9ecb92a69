using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;

namespace Contit.Scheduler.Tests
{
    /// <summary>What people do when something went wrong or cannot wait, and what they look at.</summary>
    internal sealed partial class RoundTrips
    {
        private async Task RetriesADeadLetter()
        {
            var job = await client.ScheduledJob.Create(new CreateScheduledJobRequest { CallbackUrl = receiver.Url + "/fail", MaxRetries = 1 });
            await scheduler.TravelTo(Scheduler.Start.AddMinutes(2));
            Check.Equal(ScheduledJobStatus.DeadLetter, (await client.ScheduledJob.Get(job.Id)).Status);

            var retried = await client.ScheduledJob.Retry(job.Id);
            Check.Equal("Pending 0", $"{retried.Status} {retried.Attempts}");
            var again = await Check.Throws<ContitException>(() => client.ScheduledJob.Retry(job.Id));
            Check.Equal("409 Pending", $"{again.StatusCode} {again.JobStatus}");
            await scheduler.TravelTo(Scheduler.Start.AddMinutes(4));
            Check.Equal(2, (await client.ScheduledJob.Get(job.Id)).AttemptLog.Count);

            var from = job.FireAtUtc;
            var counted = await client.ScheduledJob.RetryAllDeadLetters(from, from.AddMilliseconds(1), dryRun: true);
            Check.Equal("1 0", $"{counted.Matched} {counted.Retried}");
            var all = await client.ScheduledJob.RetryAllDeadLetters(from);
            Check.Equal("1 1", $"{all.Matched} {all.Retried}");
            var none = await client.ScheduledJob.RetryDeadLetters();
            Check.Equal("0 0 ", $"{none.Matched} {none.Retried} {none.NextCursor}");
        }

        private async Task RunsNow()
        {
            var request = new CreateScheduledJobRequest { CallbackUrl = receiver.Url, DelaySeconds = 3600, RecurrenceSeconds = 3600 };
            var job = await client.ScheduledJob.Create(request);
            var running = await client.ScheduledJob.RunNow(job.Id);
            Check.Equal(job.FireAtUtc, running.FireAtUtc);
            Check.Equal(Scheduler.Start, running.RunNowAtUtc);
            Check.Equal(running.RunNowAtUtc, running.NextAttemptAtUtc);
            await scheduler.TravelTo(Scheduler.Start.AddMinutes(2));
            Check.Equal(1, received.Count);
            Check.Equal(ScheduledJobStatus.Done, (await Check.Throws<ContitException>(() => client.ScheduledJob.RunNow(job.Id))).JobStatus);

            var series = await client.ScheduledJob.GetAll(seriesId: job.SeriesId, order: ScheduledJobOrder.Ascending, pageSize: 1);
            Check.Equal("1 Done, 2 Pending", string.Join(", ", series.Select(one => $"{one.OccurrenceNumber} {one.Status}")));
            Check.Equal(Scheduler.Start.AddHours(2), series[1].FireAtUtc);
        }

        private async Task Previews()
        {
            var request = new CreateScheduledJobRequest
            {
                CallbackUrl = receiver.Url,
                ScheduleTimes = new List<string> { "02:30" },
                FireAtUtc = new DateTime(2027, 3, 28),
            };
            var preview = await client.ScheduledJob.Preview(request, 2);
            Check.Equal("Europe/Rome False", $"{preview.TimeZone} {preview.Complete}");
            var times = preview.Occurrences.Select(one => $"{one.FireAtLocal:yyyy-MM-dd HH:mm zzz} {one.Note?.Kind}");
            Check.Equal("2027-03-28 03:30 +02:00 gap, 2027-03-29 02:30 +02:00 ", string.Join(", ", times));
            Check.Equal(new DateTime(2027, 3, 28, 1, 30, 0, DateTimeKind.Utc), preview.Occurrences[0].FireAtUtc);
            var once = await client.ScheduledJob.Preview(new CreateScheduledJobRequest { CallbackUrl = receiver.Url });
            Check.That(once.Complete && once.Occurrences.Single().FireAtLocal == null, "a one-shot has one, and no zone");
            var wrong = await Check.Throws<ContitException>(() => client.ScheduledJob.Preview(new CreateScheduledJobRequest { CallbackUrl = "x" }));
            Check.Equal("/callbackUrl", wrong.Errors.Single().Pointer);
            Check.Equal(0, (await client.ScheduledJob.Get()).Count);
        }

        private async Task Figures()
        {
            await client.ScheduledJob.Create(new CreateScheduledJobRequest { CallbackUrl = receiver.Url });
            await client.ScheduledJob.Create(new CreateScheduledJobRequest { CallbackUrl = receiver.Url, DelaySeconds = 7200 });
            await scheduler.TravelTo(Scheduler.Start.AddMinutes(2));
            var counts = await client.Stats.Jobs();
            Check.Equal("1 1 0 0 True", $"{counts.Open} {counts.Done} {counts.Cancelled} {counts.DeadLetter} {counts.Exact}");
            Check.Equal(0L, (await client.Stats.Jobs(to: Scheduler.Start)).Open);
            var history = await client.Stats.History(Scheduler.Start, Scheduler.Start.AddMinutes(2));
            Check.Equal("12:00 13:00", $"{history.FromUtc:HH:mm} {history.ToUtc:HH:mm}");
            Check.Equal(1L, history.Hours.Single().Delivered);
            Check.That(history.LatenessSeconds.Last().UpTo == null, "the last bucket has no end");
            var upcoming = await client.Stats.Upcoming();
            Check.Equal("0 0 1", string.Join(" ", upcoming.Hours.Take(3).Select(hour => hour.Count)));
        }
    }
}
