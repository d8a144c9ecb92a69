// The callback as a command: what the receiver gets, without the signature, which only the Scheduler can make.

import type { Job } from "../api";
import type { Json } from "../json";

export function curl(job: Job, payload: Json | null): string {
  const headers = Object.entries(job.headers ?? {});
  const sent = payload !== null && job.method !== "GET" && job.method !== "HEAD";
  if (sent && !headers.some(([name]) => name.toLowerCase() === "content-type")) {
    headers.unshift(["Content-Type", "application/json"]);
  }
  headers.push(["Contit-Idempotency-Key", job.idempotencyKey]);
  if (job.correlationId) headers.push(["Contit-Correlation-Id", job.correlationId]);
  const parts = [
    job.method === "HEAD" ? "curl --head" : `curl -X ${job.method}`,
    quoted(job.callbackUrl),
    ...headers.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...(sent ? [`--data-raw ${quoted(payload)}`] : []),
  ];
  return parts.join(" \\\n  ");
}

/** For a POSIX shell: nothing inside means anything. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
