// The code of README.md: each block is compiled as it stands, with the compiler's strict checks, and run.

import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ContitClient } from "@contit/scheduler";
import { SECRET, Scheduler } from "./scheduler.js";

const PACKAGE = fileURLToPath(new URL("../", import.meta.url));
const FOLDER = `${PACKAGE}.build/readme/`;

const readme = readFileSync(`${PACKAGE}README.md`, "utf8");
const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!);

let scheduler: Scheduler;
let client: ContitClient;

before(async () => {
  scheduler = await Scheduler.start();
  client = new ContitClient({ apiKey: "dev", baseUrl: scheduler.url });
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  blocks.forEach((code, i) => writeFileSync(`${FOLDER}${i}.ts`, code.replaceAll("http://127.0.0.1:8080", scheduler.url)));
  const own = { extends: "../../tsconfig.test.json", compilerOptions: { rootDir: ".", outDir: "out" }, include: ["."] };
  writeFileSync(`${FOLDER}tsconfig.json`, JSON.stringify(own));
  const compiler = spawnSync(process.execPath, [`${PACKAGE}node_modules/typescript/bin/tsc`, "--project", FOLDER]);
  assert.equal(compiler.status, 0, String(compiler.stdout));
});

after(() => scheduler.stop());

function start(i: number, environment: Record<string, string> = {}): ChildProcess {
  const env = { ...process.env, CONTIT_BASE_URL: scheduler.url, ...environment };
  return spawn(process.execPath, [`${FOLDER}out/${i}.js`], { env, stdio: ["ignore", "pipe", "inherit"] });
}

async function run(i: number): Promise<string> {
  const child = start(i);
  let said = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => (said += text));
  const status = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(status, 0, said);
  return said;
}

/** Which block holds these words; each has some that are in no other. */
function blockWith(words: string): number {
  const found = blocks.flatMap((code, i) => (code.includes(words) ? [i] : []));
  assert.equal(found.length, 1, `${words} is in ${found.length} blocks`);
  return found[0]!;
}

const names = async () => (await client.scheduledJobs.list()).items.map(({ name, status }) => `${name} ${status}`).sort();

test("the blocks do what the page says", async () => {
  assert.equal(blocks.length, 6);
  const remind = await run(blockWith("orderId: 17"));
  assert.match(remind, /^[0-9a-f-]{36} 2026-03-28T13:00:00.000Z\n$/);
  await run(blockWith("recurrenceSeconds: 900"));
  assert.deepEqual(await names(), ["remind Pending", "report Pending", "undefined Pending"]);

  // The scheduler's clock stands in March 2026; the block lists what is planned from today on.
  const fireAtUtc = new Date(Date.now() + 3_600_000);
  const { id } = await client.scheduledJobs.create({ name: "remind", fireAtUtc, callbackUrl: "https://example.org/hook" });
  await run(blockWith("listAll({ status"));
  assert.equal((await client.scheduledJobs.get(id)).status, "Cancelled");

  assert.match(await run(blockWith("25:00")), /^400 One field is wrong\.\n\/scheduleTimes\/0 must be /);

  const before = (await names()).length;
  await run(blockWith("order-17-reminder"));
  assert.equal((await names()).length, before + 1);
});

test("the receiver takes what is signed and refuses the rest", async () => {
  const port = await freePort();
  const child = start(blockWith("createServer"), { SIGNING_SECRET: SECRET, PORT: String(port) });
  try {
    const body = '{"orderId": 17}';
    const t = Math.floor(Date.now() / 1000);
    const s = createHmac("sha256", SECRET).update(`${t}.${body}`).digest("hex");
    const call = (signature: string) => {
      const headers = { "Contit-Signature": signature, "Contit-Idempotency-Key": "k" };
      return fetch(`http://127.0.0.1:${port}`, { method: "POST", headers, body });
    };
    const answered = async () => {
      for (;;) {
        const response = await call(`t=${t},s=${s}`).catch(() => undefined);
        if (response !== undefined) return response;
        assert.equal(child.exitCode, null, "the receiver ended");
      }
    };
    assert.equal((await answered()).status, 204);
    assert.equal((await call(`t=${t},s=${s.replace(/./, "x")}`)).status, 401);
  } finally {
    child.kill();
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
