// What other places than this Node have or lack.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { ContitClient, verifySignature } from "@contit/scheduler";

const DIST = new URL("../dist/", import.meta.url);

test("Node 18 has no global crypto", async () => {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  delete (globalThis as { crypto?: Crypto }).crypto;
  try {
    assert.equal(globalThis.crypto, undefined);
    const header = "t=1774699260,s=71fda4e5d4f2b6e9d7e23c5b19e2b7ad1e93cb0c9dd5f1e0a5ad1ba6a0e0ffee";
    assert.equal(await verifySignature({ secret: "s", header, body: "", now: new Date(1_774_699_260_000) }), false);
    const keys: string[] = [];
    const answering: typeof fetch = async (_, init) => {
      keys.push(new Headers(init?.headers).get("Idempotency-Key") ?? "");
      return Response.json({ id: "5f0c6a52-53a5-4b2c-9e08-6f1d2a3b4c5d" }, { status: 201 });
    };
    const client = new ContitClient({ apiKey: "dev", baseUrl: "http://scheduler.test", fetch: answering });
    await client.scheduledJobs.create({ callbackUrl: "https://example.org/hook" });
    await client.scheduledJobs.create({ callbackUrl: "https://example.org/hook" });
    assert.match(keys.join(), /^[0-9a-f]{32},[0-9a-f]{32}$/);
    assert.notEqual(keys[0], keys[1]);
  } finally {
    if (descriptor) Object.defineProperty(globalThis, "crypto", descriptor);
  }
});

test("in a page, an address is relative to it", async () => {
  const page = globalThis as { location?: { href: string } };
  page.location = { href: "https://scheduler.example.org/dashboard/jobs?x" };
  try {
    const asked: string[] = [];
    const answering: typeof fetch = async (url) => {
      asked.push(String(url));
      return Response.json({ items: [], nextCursor: null });
    };
    for (const baseUrl of ["/", "/prod"]) {
      await new ContitClient({ apiKey: "dev", baseUrl, fetch: answering }).scheduledJobs.list();
    }
    assert.deepEqual(asked, ["https://scheduler.example.org/scheduled-jobs", "https://scheduler.example.org/prod/scheduled-jobs"]);
  } finally {
    delete page.location;
  }
});

test("what is published imports nothing but itself", () => {
  const files = readdirSync(DIST).filter((file) => file.endsWith(".js"));
  assert.ok(files.length > 5);
  for (const file of files) {
    const imports = [...readFileSync(new URL(file, DIST), "utf8").matchAll(/^(?:import|export) .*from "(.*)";$/gm)];
    for (const [, from] of imports) assert.match(from!, /^\.\//, file);
  }
  const manifest = JSON.parse(readFileSync(new URL("../package.json", DIST), "utf8"));
  assert.equal(manifest.dependencies, undefined);
});
