// The real program on its virtual clock, with a store in memory, and what a test says to it beside the page.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const PROGRAM = process.env.SCHEDULER_BIN ?? fileURLToPath(new URL("../../../target/debug/scheduler", import.meta.url));
export const TOKEN = "sch_dashboard_tests";

export interface Created {
  id: string;
  [field: string]: unknown;
}

export class Scheduler {
  private constructor(
    readonly url: string,
    private readonly store: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(now: string): Promise<Scheduler> {
    const store = await freePort();
    const options = [
      "dev",
      "--in-memory",
      "--port",
      "0",
      "--dynamodb-port",
      String(store),
      "--now",
      now,
      "--token",
      TOKEN,
    ];
    const child = spawn(PROGRAM, options, { stdio: ["ignore", "pipe", "inherit"] });
    if (!child.stdout) throw new Error("no standard output");
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith("ready ")) {
        child.stdout.resume();
        return new Scheduler(line.slice("ready ".length), `http://127.0.0.1:${store}`, child);
      }
    }
    throw new Error(`${PROGRAM} ended before it was ready`);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    this.child.kill("SIGTERM");
    await once(this.child, "exit");
  }

  /** A token with these scopes alone. */
  async token(...scopes: string[]): Promise<string> {
    const options = ["token", "create", "--tenant", "dev", ...scopes.flatMap((scope) => ["--scope", scope])];
    const env = { ...process.env, AWS_ENDPOINT_URL_DYNAMODB: this.store };
    const { stdout } = await promisify(execFile)(PROGRAM, options, { env });
    const token = /sch_\S+/.exec(stdout)?.[0];
    if (!token) throw new Error(`no token in ${stdout}`);
    return token;
  }

  async post(job: object | string, path = "/scheduled-jobs"): Promise<Created> {
    const body = typeof job === "string" ? job : JSON.stringify(job);
    return this.ask("POST", path, body) as Promise<Created>;
  }

  job(id: string): Promise<Created> {
    return this.ask("GET", `/scheduled-jobs/${id}`) as Promise<Created>;
  }

  async jobs(query = ""): Promise<Created[]> {
    const page = (await this.ask("GET", `/scheduled-jobs?limit=200${query}`)) as { items: Created[] };
    return page.items;
  }

  /** Walks the clock forward; everything that is due on the way is delivered. */
  async advanceTo(nowUtc: string): Promise<void> {
    await this.ask("PUT", "/dev/clock", JSON.stringify({ nowUtc }));
  }

  private async ask(method: string, path: string, body?: string): Promise<unknown> {
    const headers = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
    const response = await fetch(this.url + path, { method, headers, ...(body !== undefined && { body }) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }
}

async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
