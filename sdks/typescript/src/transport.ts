// One call of the API, with what is tried again when it fails. It knows nothing of jobs.

import { ConnectionError, ContitError, ProblemError } from "./errors.js";

export interface ClientOptions {
  /** A token, or a function that is asked for one before each attempt (a JWT that expires, for example). */
  apiKey: string | (() => string | Promise<string>);
  /**
   * Where the Scheduler is; in a browser it may be relative to the page. Unless given, the environment variable
   * `CONTIT_BASE_URL`, or `http://127.0.0.1:8080`.
   */
  baseUrl?: string | URL;
  /** How often a call is tried in all: 5 unless given. 1 means never again. */
  maxAttempts?: number;
  /** How long one attempt may take: 30,000 unless given. */
  timeoutMs?: number;
  /** Instead of the global `fetch`. */
  fetch?: typeof fetch;
  /** Instead of waiting between attempts; for tests. */
  wait?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>;
}

export interface CallOptions {
  /** Ends the call; it then rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface Call {
  method: "GET" | "POST" | "DELETE";
  path: string;
  query?: Record<string, string | number | Date | null | undefined>;
  body?: string;
  idempotencyKey?: string;
  /** Whether it may be repeated when nobody knows if it was done. */
  repeatable: boolean;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;
/** Whoever is asked to wait longer is told instead. */
const LONGEST_RETRY_AFTER_SECONDS = 120;

export class Transport {
  readonly #options: ClientOptions;
  readonly #baseUrl: string;
  readonly #maxAttempts: number;

  constructor(options: ClientOptions) {
    if (!options.apiKey) throw new TypeError("apiKey: a token is needed");
    this.#options = options;
    const baseUrl = options.baseUrl ?? baseUrlOfTheEnvironment() ?? "http://127.0.0.1:8080";
    const { location } = globalThis as { location?: { href: string } };
    this.#baseUrl = new URL(baseUrl, location?.href).href.replace(/\/+$/, "");
    this.#maxAttempts = options.maxAttempts ?? 5;
    if (!(this.#maxAttempts >= 1)) throw new RangeError("maxAttempts: must be 1 or more");
  }

  /** The body of the answer, as the type that the endpoint answers. */
  async send<T>(call: Call, signal: AbortSignal | undefined): Promise<T> {
    let mayHaveBeenDone = false;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(call, signal);
      if (!(outcome instanceof ContitError)) return outcome.body as T;

      const status = outcome instanceof ProblemError ? outcome.status : undefined;
      const inTheDark = status === undefined || status === 502 || status === 504;
      mayHaveBeenDone ||= inTheDark || status === 503;
      outcome.mayHaveBeenDone = mayHaveBeenDone;
      const worthwhile = status === 429 || status === 503 || (inTheDark && call.repeatable);
      const retryAfterSeconds = (outcome instanceof ProblemError && outcome.retryAfterSeconds) || 0;
      if (!worthwhile || attempt >= this.#maxAttempts || retryAfterSeconds > LONGEST_RETRY_AFTER_SECONDS) throw outcome;
      const wait = this.#options.wait ?? waitFor;
      await wait(Math.max(backoff(attempt), retryAfterSeconds * 1000), signal);
      signal?.throwIfAborted();
    }
  }

  /** The parsed body of a 2xx, or what went wrong. What the signal asked for, and mistakes of the caller, are thrown. */
  async #attempt(call: Call, signal: AbortSignal | undefined): Promise<{ body: unknown } | ProblemError | ConnectionError> {
    signal?.throwIfAborted();
    const { apiKey, timeoutMs = 30_000, fetch: fetching = fetch } = this.#options;
    const headers: Record<string, string> = {
      Accept: "application/json",
      Authorization: `Bearer ${typeof apiKey === "function" ? await apiKey() : apiKey}`,
    };
    if (call.body !== undefined) headers["Content-Type"] = "application/json";
    if (call.idempotencyKey !== undefined) headers["Idempotency-Key"] = call.idempotencyKey;
    const url = this.#baseUrl + call.path + written(call.query);

    const ending = new AbortController();
    const end = () => ending.abort(signal?.reason);
    const timer = setTimeout(() => ending.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    signal?.addEventListener("abort", end);
    try {
      // A redirect is answered to the caller: a token and a job go where they were meant to go, or nowhere.
      const init: RequestInit = { method: call.method, headers, redirect: "manual", signal: ending.signal };
      if (call.body !== undefined) init.body = call.body;
      const response = await fetching(url, init);
      return await read(response);
    } catch (cause) {
      signal?.throwIfAborted();
      const why = ending.signal.aborted ? (ending.signal.reason as Error).message : reason(cause);
      return new ConnectionError(`${this.#baseUrl} did not answer ${call.method} ${call.path}: ${why}`, { cause });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  }
}

async function read(response: Response): Promise<{ body: unknown } | ProblemError> {
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return new ProblemError(response.status, undefined, retryAfter(response));
  }
  return response.ok ? { body } : new ProblemError(response.status, body, retryAfter(response));
}

/** In seconds; the header holds those or a date. */
function retryAfter(response: Response): number | undefined {
  const text = response.headers.get("Retry-After")?.trim();
  if (!text) return undefined;
  if (/^[0-9]+$/.test(text)) return Number(text);
  const until = Date.parse(text);
  if (Number.isNaN(until)) return undefined;
  // Two clocks are compared: the server's own is beside it, when the answer says what it is.
  const serversNow = Date.parse(response.headers.get("Date") ?? "");
  return Math.max(0, Math.ceil((until - (Number.isNaN(serversNow) ? Date.now() : serversNow)) / 1000));
}

/** Half a second, doubled each time; between half and all of it, so that many clients do not come back together. */
function backoff(attempt: number): number {
  const full = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS);
  return full * (0.5 + Math.random() / 2);
}

function waitFor(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
  });
}

function written(query: Call["query"]): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === null) continue;
    parameters.append(name, value instanceof Date ? value.toISOString() : String(value));
  }
  const text = parameters.toString();
  return text && `?${text}`;
}

/** `fetch failed` says nothing; its cause does. */
function reason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const inner = cause instanceof Error ? cause.message || (cause as { code?: string }).code : undefined;
  return inner || (error instanceof Error ? error.message : String(error));
}

function baseUrlOfTheEnvironment(): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.["CONTIT_BASE_URL"] || undefined;
}
