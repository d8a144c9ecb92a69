// Jobs as rows: when, what, where to, how it stands. On a phone each row is a card of two lines.

import { Link } from "wouter";
import type { Job } from "../api";
import { Foreign } from "../ui/Foreign";
import { Instant } from "../ui/Instant";
import { Attempts, Status } from "../ui/Status";
import { inShort } from "./recurrence";

export function JobTable({ jobs }: { jobs: Job[] }) {
  return (
    <table className="jobs">
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col">Planned</th>
          <th scope="col">Job</th>
          <th scope="col">Attempts</th>
          <th scope="col">Last answer</th>
        </tr>
      </thead>
      <tbody>
        {jobs.map((job) => (
          <tr key={job.id}>
            <td className="cell-status">
              <Status status={job.status} />
            </td>
            <td className="cell-when">
              <Instant at={job.fireAtUtc} />
            </td>
            <td className="cell-job">
              <Link href={`/jobs/${job.id}`} className="job-name">
                {job.name ? <Foreign text={job.name} /> : <span className="mono">{job.id.slice(0, 8)}</span>}
              </Link>
              {job.seriesId && <span className="series-mark">{inShort(job)}</span>}
              <span className="target">
                <b>{job.method}</b> <Foreign text={job.callbackUrl} />
              </span>
            </td>
            <td className="cell-attempts">
              <Attempts made={job.attempts} most={job.maxRetries} status={job.status} />
            </td>
            <td className="cell-answer">
              <Answer job={job} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Answer({ job }: { job: Job }) {
  if (job.attempts === 0) return <span className="muted">none yet</span>;
  return (
    <span className="answer">
      {job.lastStatusCode !== null && job.lastStatusCode !== undefined && <b>{job.lastStatusCode}</b>}{" "}
      {job.lastError && <Foreign className="error" text={job.lastError} />}
    </span>
  );
}
