// The list: filters in the URL, five hundred jobs page by page, what an empty or a forbidden list says, refresh.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { setting, until } from "./support/setting.js";

const START = "2027-06-01T12:00:00Z";
const JOBS = 500;

const names = (page: Page) => page.locator(".job-name").allInnerTexts();

describe("the list", () => {
  const set = setting(START);

  before(async () => {
    const { scheduler, receiver } = set;
    await Promise.all(
      Array.from({ length: JOBS }, async (_, number) => {
        const fireAtUtc = new Date(Date.parse(START) + (number + 1) * 60_000).toISOString();
        await scheduler.post({ name: `job ${number}`, callbackUrl: receiver.url(`/${number % 10}`), fireAtUtc });
      }),
    );
  });

  test("all of 500 jobs are reached by scrolling, each once, the latest first", () =>
    set.inTab({}, async ({ page }) => {
      await page.goto(set.scheduler.url);
      await page.locator(".job-name").first().waitFor();
      const first = await names(page);
      assert.ok(first.length < JOBS, "not all at once");
      await until("all are loaded", async () => {
        await page.evaluate("scrollTo(0, document.body.scrollHeight)");
        return page.getByText("500 loaded, that is all").isVisible();
      });
      const expected = Array.from({ length: JOBS }, (_, number) => `job ${JOBS - 1 - number}`);
      assert.deepEqual(await names(page), expected);
    }));

  test("filters are in the URL, and whoever opens it sees the same", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      await page.goto(set.scheduler.url);
      await page.getByRole("button", { name: "Pending" }).click();
      await page.getByRole("combobox", { name: "Planned" }).click();
      await page.getByRole("option", { name: "Next hour" }).click();
      await page.getByRole("combobox", { name: "Order" }).click();
      await page.getByRole("option", { name: "Earliest first" }).click();
      await page.getByLabel("Text in name or URL").fill("/7");
      const expected = [7, 17, 27, 37, 47, 57].map((number) => `job ${number}`).join();
      await until("the page is filtered", async () => (await names(page)).join() === expected);
      const url = new URL(page.url());
      assert.deepEqual(Object.fromEntries(url.searchParams), {
        status: "Pending",
        range: "next-1h",
        q: "/7",
        order: "asc",
      });
      assert.match(await page.getByRole("button", { name: "Pending" }).innerText(), /\b(59|60) open/);
      await set.inTab({ scheme: "dark" }, async (other) => {
        await other.page.goto(url.href);
        await until("it is the same", async () => (await names(other.page)).join() === expected);
        assert.equal(await other.page.getByRole("button", { name: "Pending" }).getAttribute("aria-pressed"), "true");
      });
      await tab.check("a filtered list");
    }));

  test("a range between two instants is a link too", () =>
    set.inTab({ zone: "Asia/Kolkata" }, async ({ page }) => {
      const query = "from=2027-06-01T12:10:00.000Z&to=2027-06-01T12:13:00.000Z&order=asc";
      await page.goto(`${set.scheduler.url}/?${query}`);
      await until("three are there", async () => (await names(page)).join() === "job 9,job 10,job 11");
      assert.equal(await page.getByLabel("From").inputValue(), "2027-06-01T17:40");
    }));

  test("a text that nothing has, and a status that no job has, are told apart and say what to do", () =>
    set.inTab({}, async ({ page }) => {
      await page.goto(`${set.scheduler.url}/?q=nowhere`);
      await page.getByText("loaded jobs has “nowhere” in its name or URL").waitFor();
      await page.goto(`${set.scheduler.url}/?status=DeadLetter`);
      await page.getByText("No job matches").waitFor();
      await page.getByRole("button", { name: "Show all jobs" }).click();
      await page.locator(".job-name").first().waitFor();
      assert.equal(new URL(page.url()).search, "");
    }));

  test("it refreshes by itself, and the reader stays at the same row", () =>
    set.inTab({}, async ({ page }) => {
      const { scheduler, receiver } = set;
      await page.goto(`${scheduler.url}/?range=next-7d`);
      await page.locator(".job-name").nth(49).waitFor();
      await page.locator(".job-name").nth(30).scrollIntoViewIfNeeded();
      const row = page.getByText("job 469", { exact: true });
      await row.scrollIntoViewIfNeeded();
      const place = (await row.boundingBox())?.y ?? 0;
      await scheduler.post({ name: "a newcomer", callbackUrl: receiver.url("/new"), delaySeconds: 600_000 });
      await page.getByText("a newcomer").waitFor({ state: "attached" });
      const moved = Math.abs(((await row.boundingBox())?.y ?? 0) - place);
      assert.ok(moved < 2, `the row moved by ${moved} pixels`);
    }));

  test("without a token one is asked for, a wrong one is refused in words, and a good one opens the shared view", () =>
    set.inTab({ token: null }, async ({ page }) => {
      await page.goto(`${set.scheduler.url}/?status=Pending`);
      await page.getByLabel("API token").fill("sch_wrong_token");
      await page.getByRole("button", { name: "Open the dashboard" }).click();
      await page.getByText("The token was not accepted").waitFor();
      await page.getByLabel("API token").fill("sch_dashboard_tests");
      await page.getByRole("button", { name: "Open the dashboard" }).click();
      await page.locator(".job-name").first().waitFor();
      assert.equal(new URL(page.url()).search, "?status=Pending", "the token is nowhere in the URL");
      assert.equal(await page.evaluate("localStorage.getItem('scheduler-token')"), null);
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByLabel("API token").waitFor();
      assert.equal(await page.evaluate("sessionStorage.length"), 0);
    }));

  test("a token that may only write is told what it may not see, and may still schedule", async () => {
    const token = await set.scheduler.token("write");
    await set.inTab({ token }, async (tab) => {
      const { page } = tab;
      for (const path of ["/", "/overview"]) {
        await tab.goto(path);
        await page.getByText("This token may not").waitFor();
        await tab.check(`${path} with a token that only writes`);
      }
      await tab.goto("/new");
      await page.getByRole("button", { name: "Schedule the job" }).waitFor();
    });
  });

  test("when the Scheduler does not answer, the page says so and offers to try again", () =>
    set.inTab({}, async ({ page }) => {
      await page.goto(set.scheduler.url);
      await page.locator(".job-name").first().waitFor();
      await page.route("**/scheduled-jobs?*", (route) => route.abort());
      await page.getByRole("button", { name: "Done" }).click();
      await page.getByText("The Scheduler does not answer").waitFor();
      await page.unroute("**/scheduled-jobs?*");
      await page.getByRole("button", { name: "Try again" }).click();
      await page.getByText("No job matches").waitFor();
    }));
});
