// The API's types under names of their own. Those of the wire are generated from the Scheduler's OpenAPI document.

import type { components } from "./generated/openapi.js";
import type { RawJson } from "./json.js";

type Schemas = components["schemas"];

export type Job = Schemas["Job"];
export type Attempt = Schemas["Attempt"];
export type JobStatus = Schemas["Status"];
export type WrongField = Schemas["WrongField"];

/** A page of jobs. */
export type JobPage = Schemas["JobPage"];

/** What to call, when, and how often. Only `callbackUrl` is required. */
export type CreateJobRequest = Omit<Schemas["CreateJob"], "fireAtUtc" | "endAtUtc" | "payload"> & {
  /** An instant; text without an offset means UTC. Wins over `delaySeconds`. In the past: due at once. */
  fireAtUtc?: string | Date | null;
  /** No occurrence after it; only with a recurrence. */
  endAtUtc?: string | Date | null;
  /** Any JSON, `null` too; at most 256 KiB. `new RawJson(text)` is sent byte for byte. */
  payload?: unknown | RawJson;
};

/** Which jobs to list. */
export interface JobFilter {
  status?: JobStatus | null;
  /** Planned at or after it. */
  from?: string | Date | null;
  /** Planned before it. */
  to?: string | Date | null;
  /** Only the occurrences of this recurring job. */
  seriesId?: string | null;
  /** Newest first unless given. */
  order?: "desc" | "asc" | null;
  /** The size of a page, 1 to 200; 50 unless given. */
  limit?: number | null;
}

/** Why an occurrence is not at the wall-clock time that was asked for. */
export interface OccurrenceNote {
  kind: "gap" | "overlap" | "merged";
  detail: string;
}

export interface PreviewedOccurrence {
  occurrenceNumber: number;
  fireAtUtc: string;
  /** `null` unless the schedule has a time zone. */
  fireAtLocal: string | null;
  note: OccurrenceNote | null;
}

/** When a job would fire, if it were created now. */
export interface Preview {
  /** `null` for a one-shot and for an interval. */
  timeZone: string | null;
  occurrences: PreviewedOccurrence[];
  /** Whether there is none after the last one listed. */
  complete: boolean;
}

/** Which dead letters to retry. */
export interface DeadLetterFilter {
  /** Planned at or after it. */
  from?: string | Date | null;
  /** Planned before it. */
  to?: string | Date | null;
}

export interface RetriedDeadLetters {
  matched: number;
  /** 0 in a dry run. */
  retried: number;
}

/** One call handles a bounded number; `nextCursor` says where the next goes on. */
export interface RetriedPage extends RetriedDeadLetters {
  nextCursor: string | null;
}

export interface TimeRange {
  from?: string | Date | null;
  to?: string | Date | null;
}

export interface HistogramBucket {
  /** In seconds; `null` for what is above the last. */
  upTo: number | null;
  count: number;
}

/** What happened, by the hour. Approximate. */
export interface Stats {
  fromUtc: string;
  toUtc: string;
  hours: { hourUtc: string; created: number; delivered: number; failed: number; deadLettered: number }[];
  latenessSeconds: HistogramBucket[];
  answerSeconds: HistogramBucket[];
  failingHosts: { host: string; failed: number }[];
}

/** How many jobs there are of each kind; counted to 10,000 each, beyond which `exact` is false. */
export interface JobCounts {
  open: number;
  done: number;
  cancelled: number;
  deadLetter: number;
  exact: boolean;
}

/** How many jobs are planned for each of the next 24 hours. */
export interface UpcomingJobs {
  hours: { hourUtc: string; count: number }[];
  exact: boolean;
}
