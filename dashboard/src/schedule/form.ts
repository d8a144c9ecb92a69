// What the form holds, and how it becomes a create request and comes from a job. Which values are right, the API says.

import { type CreateJobRequest, type Job, RawJson } from "../api";
import { type Json, wrongWith } from "../json";

export type Kind = "once" | "interval" | "calendar";
export type Unit = "seconds" | "minutes" | "hours" | "days";
export type Start = "now" | "in" | "at";
export type End = "never" | "at" | "count";

export interface Form {
  name: string;
  callbackUrl: string;
  method: string;
  headers: { id: number; name: string; value: string }[];
  payload: string;
  kind: Kind;
  start: Start;
  delay: number | string;
  delayUnit: Unit;
  /** An instant. */
  startAt: string;
  every: number | string;
  everyUnit: Unit;
  times: string[];
  days: number[];
  timeZone: string;
  end: End;
  endAt: string;
  count: number | string;
  maxRetries: number | string;
  timeoutSeconds: number | string;
  idempotencyKey: string;
  correlationId: string;
}

export const METHODS = ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS"];
export const SECONDS: Record<Unit, number> = { seconds: 1, minutes: 60, hours: 3_600, days: 86_400 };
export const DEFAULT_ZONE = "Europe/Rome";

export const EMPTY: Form = {
  name: "",
  callbackUrl: "",
  method: "POST",
  headers: [],
  payload: "",
  kind: "once",
  start: "in",
  delay: 5,
  delayUnit: "minutes",
  startAt: "",
  every: 15,
  everyUnit: "minutes",
  times: ["09:00"],
  days: [],
  timeZone: DEFAULT_ZONE,
  end: "never",
  endAt: "",
  count: 10,
  maxRetries: 5,
  timeoutSeconds: 30,
  idempotencyKey: "",
  correlationId: "",
};

let lastId = 0;
export function headerRow(name = "", value = "") {
  lastId += 1;
  return { id: lastId, name, value };
}

/** When it fires: what the preview needs, and nothing of what is called. */
export function schedule(form: Form): Partial<CreateJobRequest> {
  const request: Partial<CreateJobRequest> = {};
  if (form.start === "in") request.delaySeconds = Number(form.delay) * SECONDS[form.delayUnit];
  if (form.start === "at" && form.startAt) request.fireAtUtc = form.startAt;
  if (form.kind === "once") return request;
  if (form.kind === "interval") request.recurrenceSeconds = Number(form.every) * SECONDS[form.everyUnit];
  if (form.kind === "calendar") {
    request.scheduleTimes = form.times;
    request.timeZone = form.timeZone;
    if (form.days.length > 0) request.scheduleDaysOfWeek = [...form.days].sort();
  }
  if (form.end === "at" && form.endAt) request.endAtUtc = form.endAt;
  if (form.end === "count") request.maxOccurrences = Number(form.count);
  return request;
}

export function request(form: Form): CreateJobRequest {
  const headers = form.headers.filter(({ name, value }) => name !== "" || value !== "");
  return {
    ...schedule(form),
    callbackUrl: form.callbackUrl.trim(),
    method: form.method,
    maxRetries: Number(form.maxRetries),
    timeoutSeconds: Number(form.timeoutSeconds),
    ...(form.name !== "" && { name: form.name }),
    ...(headers.length > 0 && { headers: Object.fromEntries(headers.map(({ name, value }) => [name, value])) }),
    ...(form.payload.trim() !== "" && { payload: new RawJson(form.payload) }),
    ...(form.idempotencyKey !== "" && { idempotencyKey: form.idempotencyKey }),
    ...(form.correlationId !== "" && { correlationId: form.correlationId }),
  };
}

/** What keeps the form from being a request at all; everything else is for the API to judge. */
export function unsendable(form: Form): Wrong {
  const payload = form.payload.trim() === "" ? null : wrongWith(form.payload);
  const names = form.headers.map(({ name }) => name.toLowerCase());
  const twice = names.find((name, index) => name !== "" && names.indexOf(name) < index);
  return {
    ...(payload && { payload: `This is not JSON: ${payload}` }),
    ...(twice && { headers: `${twice} is given twice` }),
  };
}

/** Words about fields, by the name of the field. */
export type Wrong = Record<string, string>;

/** The API points into the request; the form shows it at the field. Those about times keep which one. */
export function byField(errors: readonly { pointer: string; detail: string }[]): Wrong {
  const found: Wrong = {};
  for (const { pointer, detail } of errors) {
    const [field = "", ...rest] = pointer
      .slice(1)
      .split("/")
      .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    const place = field === "headers" && rest[0] ? `${rest[0]} ` : "";
    found[field] = found[field] ? `${found[field]}; ${place}${detail}` : `${place}${detail}`;
    if (field === "scheduleTimes" && rest[0]) found[`scheduleTimes/${rest[0]}`] = detail;
  }
  return found;
}

/** A form that would make such a job again. Its first instant has passed, so it starts at once or at its next time. */
export function like(job: Job, payload: Json | null): Form {
  const kind: Kind = job.scheduleTimes ? "calendar" : job.recurrenceSeconds ? "interval" : "once";
  const [every, everyUnit] = inUnits(job.recurrenceSeconds ?? 900);
  const [delay, delayUnit] = inUnits(job.delaySeconds ?? 300);
  const waits = job.status === "Pending" && kind === "once";
  return {
    ...EMPTY,
    name: job.name ?? "",
    callbackUrl: job.callbackUrl,
    method: job.method,
    headers: Object.entries(job.headers ?? {}).map(([name, value]) => headerRow(name, value)),
    payload: payload ?? "",
    kind,
    start:
      waits && job.delaySeconds === undefined ? "at" : kind === "once" && job.delaySeconds !== undefined ? "in" : "now",
    startAt: waits ? job.fireAtUtc : "",
    delay,
    delayUnit,
    every,
    everyUnit,
    times: job.scheduleTimes ?? EMPTY.times,
    days: job.scheduleDaysOfWeek ?? [],
    timeZone: job.timeZone ?? DEFAULT_ZONE,
    end: job.maxOccurrences ? "count" : job.endAtUtc ? "at" : "never",
    endAt: job.endAtUtc ?? "",
    count: job.maxOccurrences ?? EMPTY.count,
    maxRetries: job.maxRetries,
    timeoutSeconds: job.timeoutSeconds,
    correlationId: job.correlationId ?? "",
  };
}

function inUnits(seconds: number): [number, Unit] {
  const unit = (["days", "hours", "minutes"] as const).find((unit) => seconds > 0 && seconds % SECONDS[unit] === 0);
  return unit ? [seconds / SECONDS[unit], unit] : [seconds, "seconds"];
}
