// Every view, in both themes and on a phone: nothing goes wrong, axe-core has nothing to say, and there is a picture to
// look at in screenshots/.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Look, Tab } from "./support/browser.js";
import type { Created } from "./support/scheduler.js";
import { setting } from "./support/setting.js";

const START = "2027-03-22T06:00:00Z";
const MORNING = "2027-03-23T08:12:30Z";
const LOOKS: Record<string, Look> = {
  light: { scheme: "light" },
  dark: { scheme: "dark" },
  phone: { scheme: "light", device: "phone" },
  "phone-dark": { scheme: "dark", device: "phone" },
};

describe("every view", () => {
  const set = setting(START);
  let failing: Created;
  let retrying: Created;
  let series: Created;

  /** A day of a small shop: invoices, reminders, a partner whose endpoint is down. */
  before(async () => {
    const { scheduler, receiver } = set;
    receiver.answer("/crm/contacts", 503, '{"error":"maintenance","until":"2027-03-23T10:00:00Z"}');
    receiver.answer("/partner/stock", 500, "Internal Server Error");
    receiver.answer("/reminders", 202, '{"queued":true}');
    const hour = 3_600_000;
    for (let number = 0; number < 40; number++) {
      await scheduler.post({
        name: `Reminder for appointment ${4_100 + number}`,
        callbackUrl: receiver.url("/reminders"),
        payload: { appointment: 4_100 + number, channel: number % 3 === 0 ? "sms" : "email" },
        fireAtUtc: new Date(Date.parse(START) + (1 + ((number * number) % 50)) * hour).toISOString(),
      });
    }
    series = await scheduler.post({
      name: "Daily stock report",
      callbackUrl: receiver.url("/reports/stock"),
      scheduleTimes: ["07:30", "18:00"],
      scheduleDaysOfWeek: [1, 2, 3, 4, 5],
      timeZone: "Europe/Rome",
      correlationId: "stock-report",
    });
    await scheduler.post({
      name: "Heartbeat",
      callbackUrl: receiver.url("/ping"),
      method: "GET",
      recurrenceSeconds: 3_600,
    });
    failing = await scheduler.post({
      name: "Sync contact 88213 to CRM",
      callbackUrl: receiver.url("/crm/contacts"),
      method: "PUT",
      headers: { "X-Source": "billing", Accept: "application/json" },
      payload: { contact: 88_213, email: "ada@example.org", tags: ["vip", "2027"], balance: 1204.5 },
      fireAtUtc: "2027-03-23T07:30:00Z",
      maxRetries: 4,
      correlationId: "contact-88213",
    });
    for (const item of [17, 18, 23]) {
      await scheduler.post({
        name: `Push stock of item ${item} to partner`,
        callbackUrl: receiver.url("/partner/stock"),
        payload: { item, stock: item * 3 },
        fireAtUtc: `2027-03-23T0${(item % 3) + 4}:10:00Z`,
        maxRetries: 3,
      });
    }
    const cancelled = await scheduler.post({
      name: "Trial ends for tenant 7",
      callbackUrl: receiver.url("/trials"),
      delaySeconds: 90_000,
    });
    const answer = await fetch(`${scheduler.url}/scheduled-jobs/${cancelled.id}`, {
      method: "DELETE",
      headers: { Authorization: "Bearer sch_dashboard_tests" },
    });
    assert.equal(answer.status, 200);
    await scheduler.advanceTo("2027-03-23T08:05:00Z");
    retrying = await scheduler.post({
      name: "Invoice 2027-0312 to archive",
      callbackUrl: receiver.url("/partner/stock"),
      payload: { invoice: "2027-0312" },
      delaySeconds: 60,
    });
    await scheduler.advanceTo(MORNING);
  });

  const views: [string, string, (tab: Tab) => Promise<void>][] = [
    ["list", "/", async ({ page }) => page.getByRole("row").nth(5).waitFor()],
    ["recent", "/?range=past-24h", async ({ page }) => page.getByRole("row").nth(5).waitFor()],
    [
      "dead-letters",
      "/?status=DeadLetter&range=past-24h",
      async ({ page }) => page.getByText("Retry all dead letters").waitFor(),
    ],
    ["empty", "/?status=Cancelled&range=past-1h", async ({ page }) => page.getByText("No job matches").waitFor()],
    ["overview", "/overview", async ({ page }) => page.getByText("Due over the next 24 hours").waitFor()],
    [
      "new",
      "/new",
      async ({ page }) => {
        await page.getByText("On a calendar").click();
        await page.getByRole("button", { name: "Add a time" }).click();
        await page.getByLabel("Time 2", { exact: true }).fill("02:30");
        await page.getByText("Clocks go forward").waitFor();
      },
    ],
  ];
  for (const [look, choice] of Object.entries(LOOKS)) {
    for (const [name, path, ready] of views) {
      test(`${name}, ${look}`, () =>
        set.inTab(choice, async (tab) => {
          await tab.goto(path);
          await ready(tab);
          await tab.check(`${name}, ${look}`);
          await tab.screenshot(`${name}-${look}`, name !== "list" && name !== "recent");
        }));
    }
    test(`a job that was given up, ${look}`, () =>
      set.inTab(choice, async (tab) => {
        await tab.goto(`/jobs/${failing.id}`);
        await tab.page.getByText("Given up").waitFor();
        await tab.check(`detail, ${look}`);
        await tab.screenshot(`detail-${look}`, true);
      }));
    test(`a job between two attempts, ${look}`, () =>
      set.inTab(choice, async (tab) => {
        await tab.goto(`/jobs/${retrying.id}`);
        await tab.page
          .getByText(/Attempt \d of 5/)
          .first()
          .waitFor();
        await tab.check(`retrying, ${look}`);
        await tab.screenshot(`retrying-${look}`, true);
      }));
    test(`an occurrence of a series, ${look}`, () =>
      set.inTab(choice, async (tab) => {
        await tab.goto(`/jobs/${series.id}`);
        await tab.page.getByText("#2").waitFor();
        await tab.check(`series, ${look}`);
        await tab.screenshot(`series-${look}`, true);
        await tab.page.keyboard.press("Tab");
        assert.equal(await tab.page.evaluate("document.activeElement.textContent"), "Skip to the content");
      }));
    test(`signing in, ${look}`, () =>
      set.inTab({ ...choice, token: null }, async (tab) => {
        await tab.goto("/");
        await tab.page.getByLabel("API token").waitFor();
        await tab.check(`sign-in, ${look}`);
        await tab.screenshot(`sign-in-${look}`);
      }));
  }
});
