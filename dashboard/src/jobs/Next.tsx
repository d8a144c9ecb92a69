// What happens next, and when, in a sentence.

import type { Job } from "../api";
import { useNow } from "../session";
import { duration, local, relative, utc } from "../time";

const LONGEST_BACKOFF_MINUTES = 60;

export function Next({ job }: { job: Job }) {
  const now = useNow();
  const at = (instant: string) => (
    <time dateTime={instant} title={utc(instant)}>
      {[relative(instant, now), local(instant, now)].filter(Boolean).join(", ")}
    </time>
  );
  return <p className={`next next-${job.status}`}>{sentence(job, at, now)}</p>;
}

function sentence(job: Job, at: (instant: string) => React.ReactNode, now: number): React.ReactNode {
  const { attempts, maxRetries } = job;
  const onward = job.seriesId ? " The series goes on." : "";
  switch (job.status) {
    case "Pending": {
      if (!job.nextAttemptAtUtc) return "It waits.";
      const overdue = Date.parse(job.nextAttemptAtUtc) <= now;
      const ordinal = attempts === 0 ? "The first attempt" : `Attempt ${attempts + 1} of ${maxRetries}`;
      return (
        <>
          <strong>{ordinal}</strong> {overdue ? "has been due since" : "is due"} {at(job.nextAttemptAtUtc)}
          {overdue ? ": the poller takes it at its next round." : "."} {ifItFails(attempts + 1, maxRetries, onward)}
        </>
      );
    }
    case "Firing":
      return (
        <>
          <strong>Attempt {attempts} is under way</strong>, for {job.timeoutSeconds} s at most. If its poller dies, the
          job is taken up again soon after that.
        </>
      );
    case "Done":
      return (
        <>
          <strong>Delivered</strong> {job.completedAtUtc && at(job.completedAtUtc)}
          {attempts > 1 ? `, at attempt ${attempts}` : ""}. {job.expiresAtUtc && <>Removed {at(job.expiresAtUtc)}.</>}
        </>
      );
    case "Cancelled":
      return (
        <>
          <strong>Cancelled</strong> {job.completedAtUtc && at(job.completedAtUtc)}
          {job.seriesId ? ", and its series with it" : ""}. Nothing was or will be called
          {attempts > 0 ? " after that" : ""}. {job.expiresAtUtc && <>Removed {at(job.expiresAtUtc)}.</>}
        </>
      );
    case "DeadLetter":
      return (
        <>
          <strong>Given up</strong> {job.completedAtUtc && at(job.completedAtUtc)} after {attempts} failed{" "}
          {attempts === 1 ? "attempt" : "attempts"}. Nothing happens until somebody retries it.{onward}{" "}
          {job.expiresAtUtc && <>Removed {at(job.expiresAtUtc)}.</>}
        </>
      );
  }
}

/** The rule of the API: after failed attempt n the next is due 2^(n-1) minutes later, at most an hour. */
function ifItFails(attempt: number, most: number, onward: string): string {
  if (attempt >= most) return `If it fails, the job ends as a dead letter.${onward}`;
  const minutes = Math.min(2 ** (attempt - 1), LONGEST_BACKOFF_MINUTES);
  return `If it fails, the next one is due ${duration(minutes * 60_000)} later; ${most} in all.`;
}
