// Every field of a job under the name that the API gives it, so that it can be found in documents and code.

import type { Job } from "../api";
import { Foreign } from "../ui/Foreign";
import { Instant } from "../ui/Instant";

/** They have a place of their own on the page. */
const ELSEWHERE = new Set(["payload", "headers", "attemptLog"]);
const ORDER = [
  "id",
  "status",
  "name",
  "fireAtUtc",
  "nextAttemptAtUtc",
  "runNowAtUtc",
  "attempts",
  "maxRetries",
  "timeoutSeconds",
  "lastStatusCode",
  "lastError",
];

export function Fields({ job }: { job: Job }) {
  const place = (name: string) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  const entries = Object.entries(job)
    .filter(([name]) => !ELSEWHERE.has(name))
    .sort(([a], [b]) => place(a) - place(b));
  return (
    <dl className="fields">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <Value name={name} value={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Value({ name, value }: { name: string; value: unknown }) {
  if (value === null || value === undefined) return <span className="muted">none</span>;
  if (name.endsWith("Utc") && typeof value === "string") return <Instant at={value} withUtc />;
  if (Array.isArray(value)) return value.join(", ");
  return <Foreign text={String(value)} className={/id$|key$/i.test(name) ? "mono" : ""} />;
}
