// Every call of the API, through the TypeScript SDK. What the page shows comes from here and from nowhere else.

import { ContitClient, type Job, type Whoami } from "@contit/scheduler";
import { type Json, member } from "./json";

export type {
  Attempt,
  CreateJobRequest,
  Job,
  JobCounts,
  JobPage,
  JobStatus,
  Preview,
  Stats,
  UpcomingJobs,
} from "@contit/scheduler";
export { ConnectionError, ProblemError, RawJson } from "@contit/scheduler";

export type Scope = Whoami["scopes"][number];
export type Api = ReturnType<typeof connect>;

/** A job, and its payload as it was received, digit for digit. */
export interface JobInFull {
  job: Job;
  payload: Json | null;
}

/** People watch: better to say soon that it does not work than to try for half a minute. */
const MOST_ATTEMPTS = 2;
const PATIENCE_MS = 20_000;

export function connect(token: string) {
  const options = { apiKey: token, baseUrl: "/", maxAttempts: MOST_ATTEMPTS, timeoutMs: PATIENCE_MS };
  const client = new ContitClient(options);
  return {
    jobs: client.scheduledJobs,
    stats: client.stats,

    /** Whose the token is and what it may do. */
    whoami: (signal: AbortSignal): Promise<Whoami> => client.whoami({ signal }),

    async jobInFull(id: string, signal?: AbortSignal): Promise<JobInFull> {
      let text = "";
      const keeping: typeof fetch = async (input, init) => {
        const response = await fetch(input, init);
        text = await response.clone().text();
        return response;
      };
      const keeper = new ContitClient({ ...options, fetch: keeping });
      const job = await keeper.scheduledJobs.get(id, signal ? { signal } : {});
      return { job, payload: member(text, "payload") };
    },
  };
}
