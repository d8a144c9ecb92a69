// The client: a function for each endpoint.

import { randomKey } from "./crypto.js";
import { ProblemError } from "./errors.js";
import { writeRequest } from "./json.js";
import { Transport, type Call, type CallOptions, type ClientOptions } from "./transport.js";
import type {
  CreateJobRequest,
  DeadLetterFilter,
  Job,
  JobCounts,
  JobFilter,
  JobPage,
  Preview,
  RetriedDeadLetters,
  RetriedPage,
  Stats,
  TimeRange,
  UpcomingJobs,
  Whoami,
} from "./types.js";

/** The Scheduler, as one tenant sees it. `new ContitClient(token)`, or with options. Safe to share. */
export class ContitClient {
  readonly scheduledJobs: ScheduledJobs;
  readonly stats: SchedulerStats;
  readonly #transport: Transport;

  constructor(options: string | ClientOptions) {
    const transport = new Transport(typeof options === "string" ? { apiKey: options } : options);
    this.#transport = transport;
    this.scheduledJobs = new ScheduledJobs(transport);
    this.stats = new SchedulerStats(transport);
  }

  /** Whose the token is and what it may do. */
  async whoami(options: CallOptions = {}): Promise<Whoami> {
    return this.#transport.send<Whoami>({ method: "GET", path: "/whoami", repeatable: true }, options.signal);
  }
}

export interface CreateOptions extends CallOptions {
  /**
   * The `Idempotency-Key` of the request: the same key with the same request makes one job, also from another process.
   * Unless given, one is made for each call, so that its own repetitions make one job.
   */
  requestKey?: string;
}

export class ScheduledJobs {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Schedules a job. Tried again when the answer is lost, and never makes two jobs of one call. */
  async create(request: CreateJobRequest, options: CreateOptions = {}): Promise<Job> {
    const idempotencyKey = options.requestKey ?? (await randomKey());
    const body = writeRequest(request);
    return this.#call<Job>({ method: "POST", path: "/scheduled-jobs", body, idempotencyKey, repeatable: true }, options);
  }

  /** When a job would fire; `count` occurrences of it, 10 unless given. Nothing is created. */
  async preview(request: CreateJobRequest, options: CallOptions & { count?: number } = {}): Promise<Preview> {
    const query = { count: options.count };
    const body = writeRequest(request);
    return this.#call<Preview>({ method: "POST", path: "/scheduled-jobs/preview", query, body, repeatable: true }, options);
  }

  /** One job with its last attempts. */
  async get(id: string, options: CallOptions = {}): Promise<Job> {
    return this.#call<Job>({ method: "GET", path: pathOf(id), repeatable: true }, options);
  }

  /** A page of jobs. `cursor` is the `nextCursor` of the page before, with the same filter. */
  async list(filter: JobFilter & { cursor?: string | null } = {}, options: CallOptions = {}): Promise<JobPage> {
    const { status, from, to, seriesId, order, limit, cursor } = filter;
    const query = { status, from, to, seriesId, order, limit, cursor };
    return this.#call<JobPage>({ method: "GET", path: "/scheduled-jobs", query, repeatable: true }, options);
  }

  /** All pages, asked for one by one as they are needed. */
  async *listPages(filter: JobFilter = {}, options: CallOptions = {}): AsyncGenerator<JobPage, void, undefined> {
    let cursor: string | null = null;
    do {
      const page: JobPage = await this.list({ ...filter, cursor }, options);
      yield page;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  /** All jobs, page after page: `for await (const job of client.scheduledJobs.listAll({ status: "Pending" }))`. */
  async *listAll(filter: JobFilter = {}, options: CallOptions = {}): AsyncGenerator<Job, void, undefined> {
    for await (const page of this.listPages(filter, options)) yield* page.items;
  }

  /** Cancels a job that waits; a recurring one ends with it. A job that does not wait is a `ProblemError` with its `jobStatus`. */
  async cancel(id: string, options: CallOptions = {}): Promise<Job> {
    try {
      return await this.#call<Job>({ method: "DELETE", path: pathOf(id), repeatable: true }, options);
    } catch (error) {
      // The attempt whose answer was lost has cancelled it.
      if (error instanceof ProblemError && error.jobStatus === "Cancelled" && error.mayHaveBeenDone) {
        return this.get(id, options);
      }
      throw error;
    }
  }

  /** Gives a dead letter a second life: due at once, with all its attempts before it. */
  async retry(id: string, options: CallOptions = {}): Promise<Job> {
    return this.#call<Job>({ method: "POST", path: `${pathOf(id)}/retry`, repeatable: false }, options);
  }

  /** Makes a waiting job due at once. The plan of a recurring one stays as it is. */
  async runNow(id: string, options: CallOptions = {}): Promise<Job> {
    return this.#call<Job>({ method: "POST", path: `${pathOf(id)}/run-now`, repeatable: false }, options);
  }

  /** Retries dead letters, a bounded number in one call; `dryRun` only counts them. */
  async retryDeadLetters(
    filter: DeadLetterFilter & { dryRun?: boolean; cursor?: string | null } = {},
    options: CallOptions = {},
  ): Promise<RetriedPage> {
    const { from, to, dryRun, cursor } = filter;
    const body = writeRequest({ status: "DeadLetter", from, to, dryRun, cursor });
    return this.#call<RetriedPage>({ method: "POST", path: "/scheduled-jobs/retry", body, repeatable: false }, options);
  }

  /** Retries all dead letters of the filter, call after call; `dryRun` only counts them. */
  async retryAllDeadLetters(
    filter: DeadLetterFilter & { dryRun?: boolean } = {},
    options: CallOptions = {},
  ): Promise<RetriedDeadLetters> {
    const sum = { matched: 0, retried: 0 };
    let cursor: string | null = null;
    do {
      const page: RetriedPage = await this.retryDeadLetters({ ...filter, cursor }, options);
      sum.matched += page.matched;
      sum.retried += page.retried;
      cursor = page.nextCursor;
    } while (cursor !== null);
    return sum;
  }

  #call<T>(call: Call, options: CallOptions): Promise<T> {
    return this.#transport.send<T>(call, options.signal);
  }
}

export class SchedulerStats {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** What happened, hour by hour: the last 24 unless given, 31 days at most. */
  async history(range: TimeRange = {}, options: CallOptions = {}): Promise<Stats> {
    return this.#get<Stats>("/stats", { from: range.from, to: range.to }, options);
  }

  /** How many jobs there are of each kind, planned within the range. */
  async jobs(range: TimeRange = {}, options: CallOptions = {}): Promise<JobCounts> {
    return this.#get<JobCounts>("/stats/jobs", { from: range.from, to: range.to }, options);
  }

  /** How many jobs are planned for each of the next 24 hours. */
  async upcoming(options: CallOptions = {}): Promise<UpcomingJobs> {
    return this.#get<UpcomingJobs>("/stats/upcoming", {}, options);
  }

  #get<T>(path: string, query: NonNullable<Call["query"]>, options: CallOptions): Promise<T> {
    return this.#transport.send<T>({ method: "GET", path, query, repeatable: true }, options.signal);
  }
}

/** An id without anything in it would address the list. */
function pathOf(id: string): string {
  if (!id) throw new TypeError("id: the id of a job is needed");
  return `/scheduled-jobs/${encodeURIComponent(id)}`;
}
