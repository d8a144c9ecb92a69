// How the API serves the page: small, cached for ever where names tell contents, and allowed to run nothing else.

import assert from "node:assert/strict";
import { request } from "node:http";
import { describe, test } from "node:test";
import { setting } from "./support/setting.js";

const LARGEST = 300 * 1024;

/** As it comes over the wire: `fetch` would unpack it. */
function raw(url: string, headers: Record<string, string> = {}) {
  return new Promise<{
    status: number;
    headers: Record<string, string | string[] | undefined>;
    bytes: number;
    text: string;
  }>((resolve, reject) => {
    request(url, { headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const body = Buffer.concat(chunks);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          bytes: body.length,
          text: body.toString(),
        });
      });
    })
      .on("error", reject)
      .end();
  });
}

describe("the page as it is served", () => {
  const set = setting("2027-01-01T00:00:00Z");

  test("all of it is at most 300 KB compressed, and its files are kept for a year", async () => {
    const page = await raw(set.scheduler.url);
    const files = [...page.text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? "");
    assert.ok(files.some((path) => path.endsWith(".js")) && files.some((path) => path.endsWith(".css")), page.text);
    let bytes = page.bytes;
    for (const path of files) {
      const file = await raw(set.scheduler.url + path, { "Accept-Encoding": "gzip, br" });
      assert.equal(file.status, 200, path);
      assert.equal(file.headers["content-encoding"], "gzip");
      assert.equal(file.headers["cache-control"], "public, max-age=31536000, immutable");
      assert.equal(file.headers["x-content-type-options"], "nosniff");
      bytes += file.bytes;
      const refused = await raw(set.scheduler.url + path, { "Accept-Encoding": "identity" });
      assert.equal(refused.status, 406, "who cannot unpack it is told so");
    }
    assert.ok(bytes <= LARGEST, `${bytes} bytes`);
    assert.doesNotMatch(page.text, /<script(?![^>]*src=)|<style|https?:/, "nothing inline, nothing from elsewhere");
  });

  test("every view can be reloaded, and what is no view is a problem document", async () => {
    for (const path of ["/", "/new", "/overview", "/jobs/any"]) {
      const page = await raw(set.scheduler.url + path);
      assert.equal(page.status, 200, path);
      assert.match(String(page.headers["content-security-policy"]), /default-src 'none'.*frame-ancestors 'none'/);
      assert.equal(page.headers["cache-control"], "no-cache");
    }
    for (const path of ["/nothing", "/assets/nothing.js", "/assets/..%2findex.html"]) {
      const answer = await raw(set.scheduler.url + path);
      assert.deepEqual([answer.status, answer.headers["content-type"]], [404, "application/problem+json"], path);
    }
  });

  test("the policy holds: a script put into the page does not run", () =>
    set.inTab({}, async ({ page, wrong }) => {
      await page.goto(set.scheduler.url);
      await page.getByText("Nothing is scheduled yet").waitFor();
      await page.evaluate(() => {
        const script = document.createElement("script");
        script.textContent = "document.title = 'taken over'";
        document.body.append(script);
      });
      assert.notEqual(await page.title(), "taken over");
      assert.equal(wrong.splice(0).filter((text) => text.includes("Content Security Policy")).length, 1);
    }));
});
