export { ContitClient, ScheduledJobs, SchedulerStats, type CreateOptions } from "./client.js";
export { ConnectionError, ContitError, ProblemError } from "./errors.js";
export { RawJson } from "./json.js";
export { verifySignature, type SignatureToVerify } from "./signature.js";
export type { CallOptions, ClientOptions } from "./transport.js";
export type * from "./types.js";
