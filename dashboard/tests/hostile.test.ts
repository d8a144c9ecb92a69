// Names, payloads and answers that somebody made to harm whoever looks at them. They are text here, and nothing else.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setting, until } from "./support/setting.js";

const START = "2027-02-01T08:00:00Z";
const SCRIPT = '"><img src=x onerror=alert(1)><script>alert(2)</script>';

describe("hostile text", () => {
  const set = setting(START);

  test("markup is shown as it is, everywhere", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      const { scheduler, receiver } = set;
      receiver.answer("/hostile", 500, SCRIPT);
      const { id } = await scheduler.post({
        name: SCRIPT,
        callbackUrl: receiver.url("/hostile"),
        headers: { "X-Markup": SCRIPT },
        payload: { [SCRIPT]: SCRIPT, __proto__: null, constructor: 1 },
        correlationId: "javascript:alert(3)",
        maxRetries: 1,
      });
      await scheduler.advanceTo("2027-02-01T08:05:00Z");
      await tab.goto("/");
      await page.getByText(SCRIPT, { exact: true }).first().waitFor();
      await tab.check("a hostile name in the list");
      await tab.goto(`/jobs/${id}`);
      await page.getByRole("heading", { level: 1 }).getByText(SCRIPT).waitFor();
      assert.equal(await page.locator("main img, main script").count(), 0);
      assert.equal(await page.locator(".attempt pre").innerText(), SCRIPT);
      await tab.check("a hostile job");
      await tab.goto(`/new?like=${id}`);
      await until(
        "the form holds it",
        async () => (await page.getByLabel("Name", { exact: true }).inputValue()) === SCRIPT,
      );
      await tab.goto(`/?q=${encodeURIComponent(SCRIPT.toUpperCase())}&status=${encodeURIComponent(SCRIPT)}`);
      await page.locator(".job-name").first().waitFor();
      await tab.goto(`/jobs/${encodeURIComponent(SCRIPT)}`);
      await page.getByText("There is no such job").waitFor();
      await tab.check("a job that is not there");
    }));

  test("what would turn the direction of text or hide in it is shown", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      const { scheduler, receiver } = set;
      const name = "invoice\u202Efdp.exe \u2066x\u200B";
      await scheduler.post({ name, callbackUrl: receiver.url("/rtl"), payload: { text: "a\u202Eb" } });
      await tab.goto("/");
      await page.getByText("invoice⟨U+202E⟩fdp.exe ⟨U+2066⟩x⟨U+200B⟩").click();
      await page.getByRole("heading", { level: 1 }).getByText("⟨U+202E⟩").waitFor();
      await page.locator("pre.payload").getByText("a⟨U+202E⟩b").waitFor();
      assert.doesNotMatch(await page.locator("main").innerText(), /[\u202a-\u202e\u2066-\u2069]/u);
      assert.doesNotMatch(await page.title(), /[\u202a-\u202e\u2066-\u2069]/u);
    }));

  test("the largest payload is shown in part, and all of it on demand", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      const { scheduler, receiver } = set;
      const payload = `[${'"0123456789",'.repeat(20_150)}"end"]`;
      assert.ok(payload.length > 255 * 1024 && payload.length <= 256 * 1024);
      const { id } = await scheduler.post(`{"callbackUrl":"${receiver.url("/large")}","payload":${payload}}`);
      await tab.goto(`/jobs/${id}`);
      const shown = page.locator("pre.payload");
      await shown.waitFor();
      assert.ok((await shown.innerText()).length < 30_000);
      await page.getByRole("button", { name: /Show all/ }).click();
      await until("its end is there", async () => (await shown.innerText()).includes('"end"'));
    }));

  test("JSON nested as deeply as the API takes is shown", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      const { scheduler, receiver } = set;
      let depth = 100_000;
      let id: string | undefined;
      while (id === undefined) {
        const payload = "[".repeat(depth) + "]".repeat(depth);
        const made = scheduler.post(`{"callbackUrl":"${receiver.url("/deep")}","payload":${payload}}`);
        id = (await made.catch(() => undefined))?.id;
        if (id === undefined) depth = Math.floor(depth / 2);
      }
      assert.ok(depth >= 50, `${depth}`);
      await tab.goto(`/jobs/${id}`);
      await page.locator("pre.payload").waitFor();
      await tab.goto("/");
      await page.locator(".job-name").first().waitFor();
    }));
});
