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

/** Whose a token is and what it may do. */
export interface Whoami {
  tenant: string;
  scopes: ("read" | "write")[];
  /** What time it is at the Scheduler, by which everything is due. */
  nowUtc: string;
}

/** When a job would fire, if it were created now. */
export type Preview = Schemas["Preview"];
export type PlannedOccurrence = Schemas["PlannedOccurrence"];
/** What a change of the clocks does to an occurrence. */
export type OccurrenceNote = Schemas["OccurrenceNote"];

/** Which dead letters to retry. */
export interface DeadLetterFilter {
  /** Planned at or after it. */
  from?: string | Date | null;
  /** Planned before it. */
  to?: string | Date | null;
}

/** What became of all dead letters of a filter. */
export interface RetriedDeadLetters {
  matched: number;
  /** 0 in a dry run. */
  retried: number;
}

/** What became of those of one call; `nextCursor` says where the next goes on. */
export type RetriedPage = Schemas["RetriedMany"];

export interface TimeRange {
  from?: string | Date | null;
  to?: string | Date | null;
}

/** What happened, by the hour. Approximate. */
export type Stats = Schemas["Stats"];
export type HourStats = Schemas["HourStats"];
export type Bucket = Schemas["Bucket"];
export type FailingHost = Schemas["FailingHost"];

/** How many jobs there are of each kind; counted to 10,000 each, beyond which `exact` is false. */
export type JobCounts = Schemas["JobCounts"];

/** How many jobs are planned for each of the next 24 hours. */
export type UpcomingJobs = Schemas["Upcoming"];
