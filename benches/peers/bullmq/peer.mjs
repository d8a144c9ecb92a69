// BullMQ on the jobs of `make bench`: delayed jobs whose worker POSTs a payload.
// It measures itself as our own poller does, and keeps nothing. Neighbour: benches/src/peers.rs starts it.
//
//     peer.mjs seed PORT COUNT SPREAD_SECONDS URL...
//     peer.mjs drain PORT WARM_UP COUNT
//
// Settings, as its documentation recommends them: jobs added in bulk, one worker with a local concurrency for work that
// waits for the network, finished jobs removed at once, Redis with an append-only file and without eviction.

import { readFileSync } from "node:fs";
import { Queue, Worker } from "bullmq";
import { Agent, request } from "undici";

const CONCURRENCY = 256;
const QUEUE = "callbacks";
// As our own have them: with its quotes the payload is 200 bytes.
const PAYLOAD = JSON.stringify("x".repeat(198));

const [role, port, first, second, ...urls] = process.argv.slice(2);
const connection = { host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null };

async function seed(count, spreadSeconds) {
  const queue = new Queue(QUEUE, { connection });
  await queue.obliterate({ force: true });
  const start = Date.now();
  for (let done = 0; done < count; ) {
    const jobs = [];
    for (; jobs.length < 500 && done < count; done++) {
      // A job without a delay would never be in the set of those that wait for their time.
      const due = spreadSeconds === 0 ? Date.now() + 1 : start + 2000 + Math.floor((1000 * spreadSeconds * done) / count);
      const url = `${urls[done % urls.length]}/${due}`;
      jobs.push({
        name: "callback",
        data: { url, payload: PAYLOAD },
        opts: { delay: Math.max(due - Date.now(), 1), attempts: 5, backoff: { type: "exponential", delay: 60_000 } },
      });
    }
    await queue.addBulk(jobs);
  }
  await queue.close();
}

// The processor time of this process so far, all threads; fields 14 and 15 of proc(5), in hundredths of a second.
function cpuSeconds() {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function peakKib() {
  return Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))[1]);
}

async function drain(warmUp, count) {
  const dispatcher = new Agent({ connections: 32, pipelining: 1, headersTimeout: 30_000, bodyTimeout: 30_000 });
  let completed = 0;
  let start = { seconds: performance.now() / 1000, cpu: cpuSeconds() };
  const worker = new Worker(
    QUEUE,
    async (job) => {
      const headers = { "content-type": "application/json" };
      const { statusCode, body } = await request(job.data.url, {
        method: "POST",
        headers,
        body: job.data.payload,
        dispatcher,
      });
      await body.dump();
      if (statusCode >= 300) throw new Error(`the receiver answered ${statusCode}`);
    },
    { connection, concurrency: CONCURRENCY, removeOnComplete: { count: 0 } },
  );
  const end = await new Promise((resolve, reject) => {
    worker.on("error", reject);
    worker.on("failed", (_, error) => reject(error));
    worker.on("completed", () => {
      completed++;
      const now = { seconds: performance.now() / 1000, cpu: cpuSeconds };
      if (completed === warmUp) start = { seconds: now.seconds, cpu: now.cpu() };
      if (completed === warmUp + count) resolve({ seconds: now.seconds, cpu: now.cpu() });
    });
  });
  await worker.close();
  await dispatcher.close();
  const figures = {
    jobs: count,
    seconds: end.seconds - start.seconds,
    cpu_seconds: end.cpu - start.cpu,
    peak_kib: peakKib(),
    write_units: 0,
  };
  console.log(JSON.stringify(figures));
}

if (role === "seed") await seed(Number(first), Number(second));
else await drain(Number(first), Number(second));
process.exit(0);
