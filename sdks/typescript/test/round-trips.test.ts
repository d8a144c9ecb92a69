// The client against a real `scheduler dev`.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { ConnectionError, ContitClient, ProblemError, RawJson, verifySignature, type Job } from "@contit/scheduler";
import { FlakyProxy } from "./flaky-proxy.js";
import { Receiver, SECRET, START } from "./scheduler.js";
import { client, hook, receiver, scheduler } from "./world.js";

const afterStart = (seconds: number) => new Date(Date.parse(START) + seconds * 1000);
let travelled = 0;
const travel = async (seconds: number) => scheduler.travelTo(afterStart((travelled += seconds)).toISOString());

test("a created job is delivered, byte for byte and signed", async () => {
  const payload = new RawJson('{"b": 1.50, "a": "così", "n": 12345678901234567890}');
  const job = await client.scheduledJobs.create({ name: "remind", delaySeconds: 30, callbackUrl: `${hook}/one`, payload });
  assert.equal(job.status, "Pending");
  assert.equal(job.name, "remind");
  await travel(120);

  const callback = receiver.received.find(({ path }) => path === "/one");
  assert.ok(callback, "it has arrived");
  assert.equal(callback.body.toString(), payload.text);
  assert.equal(callback.headers["contit-job-id"], job.id);
  const header = callback.headers["contit-signature"] as string;
  const now = afterStart(60);
  assert.equal(await verifySignature({ secret: SECRET, header, body: callback.body, now }), true);
  assert.equal(await verifySignature({ secret: SECRET, header, body: `${callback.body} `, now }), false);
  assert.equal(await verifySignature({ secret: `${SECRET}x`, header, body: callback.body, now }), false);
  assert.equal(await verifySignature({ secret: SECRET, header, body: callback.body }), false, "it is old by our clock");

  const done = await client.scheduledJobs.get(job.id);
  assert.equal(done.status, "Done");
  assert.equal(done.attemptLog?.[0]?.responseSnippet, "noted");
});

test("a request key makes one job of two calls, and refuses another request", async () => {
  const request = { callbackUrl: `${hook}/keyed`, delaySeconds: 86_400 };
  const first = await client.scheduledJobs.create(request, { requestKey: "order-17" });
  const second = await client.scheduledJobs.create(request, { requestKey: "order-17" });
  assert.equal(second.id, first.id);
  const another = client.scheduledJobs.create({ ...request, delaySeconds: 1 }, { requestKey: "order-17" });
  await assert.rejects(another, (error) => error instanceof ProblemError && error.status === 409);
  await client.scheduledJobs.cancel(first.id);
});

test("a daily job, listed and cancelled", async () => {
  const daily = await client.scheduledJobs.create({
    callbackUrl: `${hook}/daily`,
    scheduleTimes: ["10:00", "15:00"],
    scheduleDaysOfWeek: [0, 1, 2, 3, 4, 5, 6],
    endAtUtc: new Date("2026-04-28T12:00:00Z"),
  });
  assert.equal(daily.timeZone, "Europe/Rome");
  assert.equal(daily.occurrenceNumber, 1);

  const pending: Job[] = [];
  for await (const job of client.scheduledJobs.listAll({ status: "Pending", limit: 1 })) pending.push(job);
  assert.deepEqual(pending.map(({ id }) => id), [daily.id]);

  const cancelled = await client.scheduledJobs.cancel(daily.id);
  assert.equal(cancelled.status, "Cancelled");
  const again = client.scheduledJobs.cancel(daily.id);
  await assert.rejects(again, (error) => error instanceof ProblemError && error.jobStatus === "Cancelled");
});

test("pages are asked for only as they are needed, and hold each job once", async () => {
  const from = afterStart(90 * 86_400);
  for (let i = 0; i < 5; i++) {
    await client.scheduledJobs.create({ callbackUrl: `${hook}/page`, fireAtUtc: new Date(from.getTime() + i * 1000) });
  }
  const filter = { from, to: new Date(from.getTime() + 4000), order: "asc" as const, limit: 2 };
  const times: string[] = [];
  for await (const job of client.scheduledJobs.listAll(filter)) times.push(job.fireAtUtc);
  assert.deepEqual(times, [0, 1, 2, 3].map((i) => new Date(from.getTime() + i * 1000).toISOString()));

  let calls = 0;
  const counting: typeof fetch = (url, init) => fetch(url, init).finally(() => calls++);
  const counted = new ContitClient({ apiKey: "dev", baseUrl: scheduler.url, fetch: counting });
  for await (const job of counted.scheduledJobs.listAll(filter)) {
    assert.ok(job.id);
    break;
  }
  assert.equal(calls, 1);
});

test("all wrong fields are told at once", async () => {
  const wrong = client.scheduledJobs.create({ callbackUrl: "x", scheduleTimes: ["1000"] });
  await assert.rejects(wrong, (error: unknown) => {
    assert.ok(error instanceof ProblemError);
    assert.equal(error.status, 400);
    assert.deepEqual(error.errors.map(({ pointer }) => pointer), ["/callbackUrl", "/scheduleTimes/0"]);
    assert.match(error.message, /^400: .*\/scheduleTimes\/0 must be/);
    assert.ok(error.instance);
    return true;
  });
});

test("a wrong token is 401, one from a function is asked for each time", async () => {
  const stranger = new ContitClient({ apiKey: "wrong", baseUrl: scheduler.url });
  await assert.rejects(stranger.scheduledJobs.list(), (error) => error instanceof ProblemError && error.status === 401);
  const tokens = ["dev", "wrong"];
  const changing = new ContitClient({ apiKey: async () => tokens.shift()!, baseUrl: scheduler.url });
  await changing.scheduledJobs.list();
  await assert.rejects(changing.scheduledJobs.list(), (error) => error instanceof ProblemError && error.status === 401);
});

test("a signal ends a call with its reason, also while it waits to try again", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const wait = async () => controller.abort(reason);
  const nobody = new ContitClient({ apiKey: "dev", baseUrl: "http://127.0.0.1:1", wait });
  const call = nobody.scheduledJobs.list({}, { signal: controller.signal });
  await assert.rejects(call, reason);
  await assert.rejects(client.scheduledJobs.list({}, { signal: AbortSignal.abort(reason) }), reason);
  const later = new ContitClient({ apiKey: "dev", baseUrl: "http://127.0.0.1:1" });
  await assert.rejects(later.scheduledJobs.list({}, { signal: AbortSignal.timeout(1) }), { name: "TimeoutError" });
});

test("who does not answer is named, with what went wrong", async () => {
  const left = new Receiver();
  const baseUrl = await left.start();
  await left.stop();
  const nobody = new ContitClient({ apiKey: "dev", baseUrl, maxAttempts: 1 });
  await assert.rejects(nobody.scheduledJobs.list(), (error: unknown) => {
    assert.ok(error instanceof ConnectionError);
    assert.ok(error.message.startsWith(`${baseUrl} did not answer GET /scheduled-jobs: `), error.message);
    assert.match(error.message, /refused/i);
    return true;
  });
  const never: typeof fetch = (_, init) => new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(new Error())));
  const silent = new ContitClient({ apiKey: "dev", baseUrl: scheduler.url, maxAttempts: 1, timeoutMs: 5, fetch: never });
  await assert.rejects(silent.scheduledJobs.list(), /did not answer GET \/scheduled-jobs: no answer within 5 ms/);
});

test("an answer that stalls in its body is none", async () => {
  const stalling = createServer((_, response) => {
    response.writeHead(200, { "content-length": 10 });
    response.write("{");
  });
  await new Promise<void>((resolve) => stalling.listen(0, "127.0.0.1", resolve));
  const { port } = stalling.address() as AddressInfo;
  const slow = new ContitClient({ apiKey: "dev", baseUrl: `http://127.0.0.1:${port}`, maxAttempts: 1, timeoutMs: 200 });
  await assert.rejects(slow.scheduledJobs.list(), /did not answer GET \/scheduled-jobs: no answer within 200 ms/);
  stalling.closeAllConnections();
  stalling.close();
});

test("mistakes of the caller are told before anything is sent", async () => {
  assert.throws(() => new ContitClient(""), /apiKey/);
  assert.throws(() => new ContitClient({ apiKey: "dev", baseUrl: "not a url" }), /URL/);
  assert.throws(() => new ContitClient({ apiKey: "dev", maxAttempts: 0 }), /maxAttempts/);
  assert.throws(() => new RawJson("{"), SyntaxError);
});

test("1,000 creations through a line that loses answers make 1,000 jobs", async () => {
  const proxy = new FlakyProxy(scheduler.url, 20_260_328);
  const wait = () => new Promise<void>((resolve) => setImmediate(resolve));
  const shaky = new ContitClient({ apiKey: "dev", baseUrl: await proxy.start(), maxAttempts: 20, wait });
  const from = afterStart(365 * 86_400);
  const made: string[] = [];
  let next = 0;
  const worker = async () => {
    while (next < 1000) {
      const fireAtUtc = new Date(from.getTime() + next++ * 1000);
      made.push((await shaky.scheduledJobs.create({ callbackUrl: `${hook}/shaky`, fireAtUtc })).id);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  await proxy.stop();
  assert.ok(proxy.lostAnswers > 150 && proxy.lostRequests > 20, `${proxy.lostAnswers}, ${proxy.lostRequests} were lost`);

  const there: string[] = [];
  for await (const job of client.scheduledJobs.listAll({ from, limit: 200 })) there.push(job.id);
  assert.equal(there.length, 1000);
  assert.deepEqual(there.sort(), made.sort());
});
