// A real `scheduler dev` in memory, on a clock of its own, and a receiver for its callbacks.

import { spawn, type ChildProcess } from "node:child_process";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const START = "2026-03-28T12:00:00Z";
export const SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHM=";

const PROGRAM = process.env["SCHEDULER_BIN"] ?? fileURLToPath(new URL("../../../target/debug/scheduler", import.meta.url));

export class Scheduler {
  private constructor(
    readonly url: string,
    readonly process: ChildProcess,
  ) {}

  static async start(): Promise<Scheduler> {
    const places = ["--in-memory", "--port", "0", "--dynamodb-port", "0"];
    const child = spawn(PROGRAM, ["dev", ...places, "--now", START, "--signing-secret", SECRET], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith("ready ")) {
        child.stdout.resume();
        return new Scheduler(line.slice("ready ".length), child);
      }
    }
    throw new Error(`${PROGRAM} ended before it was ready`);
  }

  /** Lets time pass to this instant, with all that happens until then. */
  async travelTo(nowUtc: string): Promise<void> {
    const response = await fetch(`${this.url}/dev/clock`, { method: "PUT", body: JSON.stringify({ nowUtc }) });
    if (!response.ok) throw new Error(`the clock does not move: ${await response.text()}`);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill();
    await ended;
  }
}

export interface Callback {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Answers 200, but for paths that begin with `/fail`. */
export class Receiver {
  readonly received: Callback[] = [];
  readonly #server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = "", url = "", headers } = request;
    this.received.push({ method, path: url, headers, body: Buffer.concat(chunks) });
    response.writeHead(url.startsWith("/fail") ? 501 : 200).end("noted");
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
