// What people do when something went wrong or cannot wait, and what they look at, against a real `scheduler dev`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ProblemError, type Job } from "@contit/scheduler";
import { START } from "./scheduler.js";
import { client, hook, receiver, scheduler } from "./world.js";

let now = Date.parse(START);
const travel = (minutes: number) => scheduler.travelTo(new Date((now += minutes * 60_000)).toISOString());
const refused = (jobStatus: string) => (error: unknown) => error instanceof ProblemError && error.jobStatus === jobStatus;

async function deadLetter(): Promise<Job> {
  const job = await client.scheduledJobs.create({ callbackUrl: `${hook}/fail`, maxRetries: 1 });
  await travel(2);
  const dead = await client.scheduledJobs.get(job.id);
  assert.equal(dead.status, "DeadLetter");
  return dead;
}

test("a dead letter is retried, once", async () => {
  const { id } = await deadLetter();
  const retried = await client.scheduledJobs.retry(id);
  assert.equal(retried.status, "Pending");
  assert.equal(retried.attempts, 0);
  await assert.rejects(client.scheduledJobs.retry(id), refused("Pending"));
  await travel(2);
  const again = await client.scheduledJobs.get(id);
  assert.equal(again.status, "DeadLetter");
  assert.equal(again.attemptLog?.length, 2);
});

test("all dead letters are counted, then retried", async () => {
  const { fireAtUtc } = await deadLetter();
  const range = { from: fireAtUtc, to: new Date(Date.parse(fireAtUtc) + 1) };
  assert.deepEqual(await client.scheduledJobs.retryAllDeadLetters({ ...range, dryRun: true }), { matched: 1, retried: 0 });
  assert.deepEqual(await client.scheduledJobs.retryAllDeadLetters(range), { matched: 1, retried: 1 });
  assert.deepEqual(await client.scheduledJobs.retryDeadLetters(range), { matched: 0, retried: 0, nextCursor: null });
});

test("a job runs now, and the plan of its series stays", async () => {
  const fireAtUtc = new Date(now + 3_600_000).toISOString();
  const job = await client.scheduledJobs.create({ callbackUrl: `${hook}/now`, fireAtUtc, recurrenceSeconds: 3600 });
  const running = await client.scheduledJobs.runNow(job.id);
  assert.equal(running.fireAtUtc, fireAtUtc);
  assert.equal(running.runNowAtUtc, running.nextAttemptAtUtc);
  await travel(2);
  assert.equal(receiver.received.filter(({ path }) => path === "/now").length, 1);
  await assert.rejects(client.scheduledJobs.runNow(job.id), refused("Done"));

  const series: Job[] = [];
  const filter = { seriesId: job.seriesId, order: "asc" as const, limit: 1 };
  for await (const occurrence of client.scheduledJobs.listAll(filter)) series.push(occurrence);
  assert.deepEqual(series.map(({ status, occurrenceNumber }) => `${occurrenceNumber} ${status}`), ["1 Done", "2 Pending"]);
  assert.equal(series[1]?.fireAtUtc, new Date(now + 3_600_000 * 2 - 120_000).toISOString());
  await client.scheduledJobs.cancel(series[1]!.id);
});

test("a preview tells what a change of clocks does, and creates nothing", async () => {
  const before = (await client.scheduledJobs.list({ limit: 200 })).items.length;
  const request = { callbackUrl: `${hook}/x`, scheduleTimes: ["02:30"], fireAtUtc: "2027-03-28T00:00:00Z" };
  const preview = await client.scheduledJobs.preview(request, { count: 2 });
  assert.equal(preview.timeZone, "Europe/Rome");
  assert.equal(preview.complete, false);
  const times = preview.occurrences.map(({ fireAtLocal, note }) => `${fireAtLocal} ${note?.kind}`);
  assert.deepEqual(times, ["2027-03-28T03:30:00+02:00 gap", "2027-03-29T02:30:00+02:00 undefined"]);
  assert.equal((await client.scheduledJobs.preview({ callbackUrl: `${hook}/x` })).complete, true);
  await assert.rejects(client.scheduledJobs.preview({ callbackUrl: "x" }), (error) => error instanceof ProblemError && error.status === 400);
  assert.equal((await client.scheduledJobs.list({ limit: 200 })).items.length, before);
});

test("figures", async () => {
  const counts = await client.stats.jobs();
  assert.equal(counts.exact, true);
  assert.ok(counts.done >= 1 && counts.cancelled >= 1, JSON.stringify(counts));
  assert.deepEqual(await client.stats.jobs({ to: new Date(0) }), { open: 0, done: 0, cancelled: 0, deadLetter: 0, exact: true });
  const history = await client.stats.history({ from: START, to: new Date(now + 1) });
  assert.equal(history.fromUtc, new Date(START).toISOString());
  assert.ok(history.hours.reduce((sum, hour) => sum + hour.delivered, 0) >= 1);
  assert.equal(history.latenessSeconds.at(-1)?.upTo, null);
  assert.equal((await client.stats.upcoming()).hours.length, 24);
});
