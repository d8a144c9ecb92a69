// The attempts as a timeline: when, how long, what came back. Latest first, since that is what people ask about.

import type { Attempt, Job } from "../api";
import { duration } from "../time";
import { Foreign } from "../ui/Foreign";
import { Instant } from "../ui/Instant";

export function AttemptLog({ job }: { job: Job }) {
  const log = [...(job.attemptLog ?? [])].reverse();
  if (log.length === 0)
    return <p className="muted">{job.status === "Cancelled" ? "None was made." : "None has ended yet."}</p>;
  const longest = Math.max(...log.map((attempt) => attempt.durationMs ?? 0), 1);
  const dropped = job.attempts - log.length - (job.status === "Firing" ? 1 : 0);
  return (
    <>
      <ol className="attempts" reversed>
        {log.map((attempt, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: numbers begin again when a dead letter is retried
          <Entry key={index} attempt={attempt} before={log[index + 1]} longest={longest} latest={index === 0} />
        ))}
      </ol>
      {dropped > 0 && <p className="muted">Earlier attempts are not kept: the last ten are.</p>}
    </>
  );
}

interface EntryProps {
  attempt: Attempt;
  before: Attempt | undefined;
  longest: number;
  latest: boolean;
}

function Entry({ attempt, before, longest, latest }: EntryProps) {
  const good = attempt.error === null || attempt.error === undefined;
  const waited =
    before?.startedAtUtc && attempt.startedAtUtc
      ? Date.parse(attempt.startedAtUtc) - Date.parse(before.startedAtUtc) - (before.durationMs ?? 0)
      : null;
  return (
    <li className={good ? "attempt good" : "attempt bad"}>
      <div className="attempt-head">
        <span className="attempt-number">Attempt {attempt.number}</span>
        <span className="attempt-code">{attempt.statusCode ?? "no answer"}</span>
        {attempt.startedAtUtc ? <Instant at={attempt.startedAtUtc} withUtc /> : <span>its poller died</span>}
      </div>
      {attempt.durationMs !== null && attempt.durationMs !== undefined && (
        <div className="attempt-time">
          <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
            <rect width={Math.max((attempt.durationMs / longest) * 100, 0.8)} height="4" rx="1" />
          </svg>
          <span className="muted">
            took {duration(attempt.durationMs)}
            {waited !== null && waited > 0 && `, ${duration(waited)} after the one before`}
          </span>
        </div>
      )}
      {attempt.error && (
        <p className="error">
          <Foreign text={attempt.error} />
        </p>
      )}
      {attempt.responseSnippet && (
        <details open={!good && latest}>
          <summary>What the receiver answered</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
          <pre tabIndex={0}>
            <Foreign text={attempt.responseSnippet} />
          </pre>
        </details>
      )}
    </li>
  );
}
