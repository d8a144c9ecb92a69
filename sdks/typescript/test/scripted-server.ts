// A server that expects the requests of one conformance case, in order, and answers as the case says.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isSame, withInstants, type Json } from "./comparison.js";

export interface ExpectedRequest {
  method: string;
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string | null>;
  body?: Json;
  bodyText?: string;
}

export interface ScriptedAnswer {
  status: number;
  headers?: Record<string, string>;
  body?: Json;
  bodyText?: string;
  cutOff?: boolean;
}

export interface Exchange {
  request: ExpectedRequest | "as before";
  answer: ScriptedAnswer | "drop";
}

interface Received {
  method: string;
  path: string;
  query: [string, string][];
  headers: IncomingMessage["headers"];
  body: string;
}

export class ScriptedServer {
  readonly #exchanges: Exchange[];
  readonly #received: Received[] = [];
  readonly complaints: string[] = [];
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  constructor(exchanges: Exchange[]) {
    this.#exchanges = exchanges;
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    const missing = this.#exchanges.length - this.#received.length;
    if (missing > 0) this.complaints.push(`${missing} requests did not come`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    const received: Received = {
      method: request.method ?? "",
      path,
      query: [...new URLSearchParams(query)].sort(),
      headers: request.headers,
      body: Buffer.concat(chunks).toString("utf8"),
    };
    const before = this.#received.at(-1);
    const exchange = this.#exchanges[this.#received.push(received) - 1];
    if (exchange === undefined) {
      this.complaints.push(`not expected: ${request.method} ${request.url}`);
      response.writeHead(418).end();
      return;
    }
    if (exchange.request === "as before") this.#compareWithTheOneBefore(received, before);
    else this.#compare(received, exchange.request);
    this.#send(exchange.answer, request, response);
  }

  #send(answer: Exchange["answer"], request: IncomingMessage, response: ServerResponse): void {
    if (answer === "drop") {
      request.socket.destroy();
      return;
    }
    const text = answer.bodyText ?? JSON.stringify(answer.body);
    const kind = answer.status < 400 ? "application/json" : "application/problem+json";
    const length = Buffer.byteLength(text) + (answer.cutOff ? 10 : 0);
    response.writeHead(answer.status, { "content-type": kind, "content-length": length, ...answer.headers });
    if (answer.cutOff) response.write(text, () => request.socket.destroy());
    else response.end(text);
  }

  #compare(received: Received, expected: ExpectedRequest): void {
    this.#expect("method", received.method, expected.method);
    this.#expect("path", received.path, expected.path);
    const query = Object.fromEntries(received.query);
    this.#expect("parameters", received.query.length, Object.keys(query).length);
    this.#expect("query", withInstants(query, ["from", "to"]), withInstants(expected.query ?? {}, ["from", "to"]));
    const headers = { authorization: "Bearer conformance-key", ...expected.headers };
    for (const [name, value] of Object.entries(headers)) {
      const sent = received.headers[name];
      if (value === "$any") this.#expect(`${name} ${sent} fits`, /^[!-~]{1,255}$/.test(String(sent ?? "")), true);
      else this.#expect(name, sent ?? null, value);
    }
    if (expected.bodyText !== undefined) this.#expect("body", received.body, expected.bodyText);
    if (expected.body !== undefined) {
      const more = expected.path.endsWith("/retry") ? ["from", "to"] : [];
      const body: Json = received.body ? JSON.parse(received.body) : null;
      this.#expect("body", withInstants(body, more), withInstants(expected.body, more));
    }
  }

  #compareWithTheOneBefore(received: Received, before: Received | undefined): void {
    const essence = (one: Received | undefined) =>
      one && { method: one.method, path: one.path, query: one.query, body: one.body, key: one.headers["idempotency-key"] ?? null };
    this.#expect("the request before", essence(received) as Json, (essence(before) ?? null) as Json);
  }

  #expect(what: string, actual: Json, expected: Json): void {
    if (!isSame(actual, expected)) {
      this.complaints.push(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
    }
  }
}
