// Every case of sdks/conformance against a scripted server.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { ConnectionError, ContitClient, ProblemError, RawJson, verifySignature } from "@contit/scheduler";
import type { CreateJobRequest, Job, JobFilter } from "@contit/scheduler";
import { isSame, withInstants, withoutNulls, type Json } from "./comparison.js";
import { ScriptedServer, type Exchange } from "./scripted-server.js";

const FOLDER = new URL("../../conformance/", import.meta.url);

interface Case {
  name: string;
  operation: string;
  client?: { maxAttempts?: number; basePath?: string };
  arguments: { [name: string]: Json };
  exchanges: Exchange[];
  waitsSeconds?: [number, number][];
  result?: Json;
  resultMayHaveMore?: boolean;
  error?: { kind: string; [member: string]: Json };
}

const parse = (file: string) => JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"));
const documents: { [name: string]: Json } = parse("documents.json");

function withDocuments(value: Json): Json {
  if (Array.isArray(value)) return value.map(withDocuments);
  if (typeof value !== "object" || value === null) return value;
  const { $document, ...own } = value;
  const members = Object.fromEntries(Object.entries(own).map(([name, inner]) => [name, withDocuments(inner)]));
  if ($document === undefined) return members;
  const document = documents[$document as string];
  assert.ok(document, `documents.json has no ${$document}`);
  return { ...(document as object), ...members };
}

async function run(client: ContitClient, operation: string, given: Case["arguments"]): Promise<unknown> {
  const { scheduledJobs, stats } = client;
  const id = given["id"] as string;
  const filter = given as JobFilter;
  switch (operation) {
    case "create": {
      const { request, requestKey, payloadText } = given;
      const whole = { ...(request as object) } as CreateJobRequest;
      if (payloadText !== undefined) whole.payload = new RawJson(payloadText as string);
      return scheduledJobs.create(whole, requestKey === undefined ? {} : { requestKey: requestKey as string });
    }
    case "preview": {
      const { request, count } = given;
      return scheduledJobs.preview(request as unknown as CreateJobRequest, count === undefined ? {} : { count: count as number });
    }
    case "get":
      return scheduledJobs.get(id);
    case "cancel":
      return scheduledJobs.cancel(id);
    case "retry":
      return scheduledJobs.retry(id);
    case "runNow":
      return scheduledJobs.runNow(id);
    case "list":
      return scheduledJobs.list(filter);
    case "listAll": {
      const jobs: Job[] = [];
      for await (const job of scheduledJobs.listAll(filter)) jobs.push(job);
      return jobs;
    }
    case "retryDeadLetters":
      return scheduledJobs.retryDeadLetters(given as object);
    case "retryAllDeadLetters":
      return scheduledJobs.retryAllDeadLetters(given as object);
    case "stats":
      return stats.history(given as object);
    case "statsJobs":
      return stats.jobs(given as object);
    case "whoami":
      return client.whoami();
    case "statsUpcoming":
      return stats.upcoming();
    default:
      throw new Error(`no such operation: ${operation}`);
  }
}

function described(error: unknown): Json {
  if (error instanceof TypeError) return { kind: "argument" };
  if (error instanceof ConnectionError) return { kind: "connection", mayHaveBeenDone: error.mayHaveBeenDone };
  if (!(error instanceof ProblemError)) throw error;
  const { status, type, title, detail, instance, errors, jobStatus, retryAfterSeconds, mayHaveBeenDone } = error;
  const told = { kind: "problem", status, type, title, detail, instance, jobStatus, retryAfterSeconds };
  const members = Object.entries(told).filter(([, value]) => value !== undefined);
  const lists = errors.length > 0 ? { errors: errors.map((wrong) => ({ ...wrong })) } : {};
  return { ...Object.fromEntries(members), ...lists, ...(mayHaveBeenDone ? { mayHaveBeenDone } : {}) } as Json;
}

/** The members of the expected value alone. */
function cutTo(actual: Json, expected: Json): Json {
  const names = Object.keys(expected as object);
  return Object.fromEntries(Object.entries(actual as object).filter(([name]) => names.includes(name)));
}

const names = new Set<string>();
const files = readdirSync(FOLDER).filter((file) => file.endsWith(".json") && !["documents.json", "signatures.json"].includes(file));
for (const file of files) {
  for (const raw of parse(file).cases as Json[]) {
    const one = withDocuments(raw) as unknown as Case;
    assert.ok(!names.has(one.name), `two cases are called "${one.name}"`);
    names.add(one.name);
    test(`${file}: ${one.name}`, () => runCase(one));
  }
}
assert.ok(names.size > 50, `only ${names.size} cases were found`);

async function runCase(one: Case): Promise<void> {
  const server = new ScriptedServer(one.exchanges);
  const url = await server.start();
  const waits: number[] = [];
  const client = new ContitClient({
    apiKey: "conformance-key",
    baseUrl: url + (one.client?.basePath ?? ""),
    maxAttempts: one.client?.maxAttempts ?? 5,
    wait: async (milliseconds) => void waits.push(milliseconds / 1000),
  });
  let result: Json | undefined;
  let error: Json | undefined;
  try {
    result = (await run(client, one.operation, one.arguments)) as Json;
  } catch (thrown) {
    error = described(thrown);
  } finally {
    await server.stop();
  }
  assert.deepEqual(server.complaints, []);
  const bounds = one.waitsSeconds ?? [];
  const waitsFit = waits.length === bounds.length && waits.every((wait, i) => bounds[i]![0] <= wait && wait <= bounds[i]![1]);
  assert.ok(waitsFit, `waits ${JSON.stringify(waits)} instead of ${JSON.stringify(bounds)}`);
  if (one.error !== undefined) {
    assert.deepEqual(error ?? { result }, one.error);
    return;
  }
  assert.equal(error, undefined);
  const expected = withoutNulls(withInstants(one.result!));
  const actual = withoutNulls(withInstants(one.resultMayHaveMore ? cutTo(result!, one.result!) : result!));
  assert.ok(isSame(actual, expected), `${JSON.stringify(actual)}\ninstead of\n${JSON.stringify(expected)}`);
}

interface Vector {
  name: string;
  secret: string;
  header: string | null;
  bodyHex: string;
  now: number;
  toleranceSeconds: number;
  valid: boolean;
}

for (const vector of parse("signatures.json").vectors as Vector[]) {
  test(`signatures.json: ${vector.name}`, async () => {
    const { secret, header, toleranceSeconds, valid } = vector;
    const body = Buffer.from(vector.bodyHex, "hex");
    const now = new Date(vector.now * 1000);
    assert.equal(await verifySignature({ secret, header, body, toleranceSeconds, now }), valid);
  });
}
