// Whether the conformance suite, and so each client, knows every endpoint and every parameter that the Scheduler has.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import type { ExpectedRequest } from "./scripted-server.js";
import { Scheduler } from "./scheduler.js";

interface Document {
  paths: Record<string, Record<string, { parameters?: { name: string; in: string }[] }>>;
  components: { schemas: Record<string, { properties?: Record<string, unknown> }> };
}

/** No client needs them. */
const WITHOUT_CLIENT = ["/healthz", "/openapi.json"];

const folder = new URL("../../conformance/", import.meta.url);
const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
const cases = files.flatMap((file) => JSON.parse(readFileSync(new URL(file, folder), "utf8")).cases ?? []);
const requests: ExpectedRequest[] = cases
  .flatMap((one: { exchanges: { request: ExpectedRequest | string }[] }) => one.exchanges.map(({ request }) => request))
  .filter((request: ExpectedRequest | string) => typeof request !== "string");

const isAt = (path: string, request: ExpectedRequest) => {
  const pattern = path.replaceAll(/\{[^}]*\}/g, "[0-9a-f-]{36}");
  return new RegExp(`^${pattern}$`).test(request.path);
};

test("every endpoint, parameter and field of a request is in the conformance suite", async () => {
  const scheduler = await Scheduler.start();
  const response = await fetch(`${scheduler.url}/openapi.json`);
  const { paths, components } = (await response.json()) as Document;
  await scheduler.stop();
  const missing: string[] = [];
  for (const [path, methods] of Object.entries(paths)) {
    if (WITHOUT_CLIENT.includes(path)) continue;
    for (const [method, { parameters = [] }] of Object.entries(methods)) {
      const here = requests.filter((request) => request.method === method.toUpperCase() && isAt(path, request));
      if (here.length === 0) missing.push(`${method} ${path}`);
      for (const { name } of parameters.filter((parameter) => parameter.in === "query")) {
        if (!here.some(({ query }) => query?.[name] !== undefined)) missing.push(`${method} ${path}?${name}`);
      }
    }
  }
  const bodies = requests.filter(({ path }) => path === "/scheduled-jobs").map(({ body }) => body as object | undefined);
  const fields = Object.keys(components.schemas["CreateJob"]?.properties ?? {});
  assert.ok(fields.length > 10);
  missing.push(...fields.filter((field) => !bodies.some((body) => body && field in body)));
  assert.deepEqual(missing, []);
});
