// What can go wrong with a call: the Scheduler refused it (ProblemError) or did not answer (ConnectionError).

import type { JobStatus, WrongField } from "./types.js";

/** Whatever this package throws about a call, except for mistakes in its arguments and what an `AbortSignal` asked for. */
export class ContitError extends Error {
  override name = "ContitError";
  /** Whether what was asked may have been done all the same: the answer to an attempt was lost. */
  mayHaveBeenDone = false;
}

/** The Scheduler could not be reached, or its answer did not arrive. */
export class ConnectionError extends ContitError {
  override name = "ConnectionError";
  override mayHaveBeenDone = true;
}

/** An answer that is not the one asked for: a problem document (RFC 9457), or what something between answered. */
export class ProblemError extends ContitError {
  override name = "ProblemError";
  /** The status of the answer. */
  readonly status: number;
  readonly type: string | undefined;
  readonly title: string | undefined;
  readonly detail: string | undefined;
  /** The id of the request, to be quoted to the operator. */
  readonly instance: string | undefined;
  /** All the fields that are wrong, by JSON pointer. */
  readonly errors: readonly WrongField[];
  /** With a 409: the status of the job that keeps it from being changed. */
  readonly jobStatus: JobStatus | undefined;
  /** How long the Scheduler asked to wait. */
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, document: unknown, retryAfterSeconds?: number) {
    const problem = (typeof document === "object" && document !== null ? document : {}) as Record<string, unknown>;
    const text = (name: string) => (typeof problem[name] === "string" ? (problem[name] as string) : undefined);
    const errors = Array.isArray(problem["errors"]) ? problem["errors"].filter(isWrongField) : [];
    const fields = errors.map((error) => `${error.pointer} ${error.detail}`).join("; ");
    const words = text("detail") ?? text("title") ?? "The answer is not one of the Scheduler's.";
    super(`${status}: ${words}${fields && ` ${fields}`}`);
    this.status = status;
    this.type = text("type");
    this.title = text("title");
    this.detail = text("detail");
    this.instance = text("instance");
    this.errors = errors;
    this.jobStatus = text("jobStatus") as JobStatus | undefined;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

function isWrongField(value: unknown): value is WrongField {
  const { pointer, detail } = (value ?? {}) as Record<string, unknown>;
  return typeof pointer === "string" && typeof detail === "string";
}
