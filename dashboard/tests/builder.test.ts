// The form: each kind of schedule is built as a person would, and delivered by the real poller to a real receiver.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { setting, until } from "./support/setting.js";

/** A Saturday, twelve hours before the clocks go forward in Rome. */
const START = "2027-03-27T12:00:00Z";

async function fill(page: Page, fields: Record<string, string>): Promise<void> {
  for (const [label, text] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(text);
}

/** The times that the preview lists. */
async function listed(page: Page): Promise<string[]> {
  await page.locator(".preview > div[aria-busy=false]").waitFor();
  return page
    .locator(".occurrences time")
    .evaluateAll((times) => times.map((time) => time.getAttribute("datetime") ?? ""));
}

async function schedule(page: Page): Promise<string> {
  await page.getByRole("button", { name: "Schedule the job" }).click();
  await page.waitForURL(/\/jobs\/[0-9a-f-]{36}$/);
  return new URL(page.url()).pathname.replace("/jobs/", "");
}

describe("the builder", () => {
  const set = setting(START);

  test("a one-shot job is built, previewed, delivered as it was written and read back", () =>
    set.inTab({}, async ({ page }) => {
      const { scheduler, receiver } = set;
      await page.goto(`${scheduler.url}/new`);
      await fill(page, {
        "Callback URL": receiver.url("/once"),
        Name: "Once",
        In: "90",
        Payload: '{"b": 1.0,\n "a":[1e2]}',
      });
      await page.getByRole("button", { name: "Add a header" }).click();
      await fill(page, { "Name of header 1": "X-Shop", "Value of header 1": "7" });
      await page.getByRole("combobox", { name: "Unit of the delay" }).click();
      await page.getByRole("option", { name: "seconds" }).click();
      await page.getByText("That is all: it fires once.").waitFor();
      assert.deepEqual(await listed(page), ["2027-03-27T12:01:30.000Z"]);
      const id = await schedule(page);
      await page.getByText("The first attempt").waitFor();

      await scheduler.advanceTo("2027-03-27T12:03:00Z");
      const [call] = receiver.callsTo("/once");
      assert.deepEqual([call?.method, call?.body, call?.headers["x-shop"]], ["POST", '{"b": 1.0,\n "a":[1e2]}', "7"]);
      assert.equal(call?.headers["contit-job-id"], id);
      // It shows on the open page without a reload.
      await page.getByText("Delivered").waitFor();
      await page.getByText("As it is sent").click();
      assert.equal((await page.locator("pre.payload").innerText()).trim(), '{"b": 1.0,\n "a":[1e2]}');
    }));

  test("a job at an instant is given in local time and planned in UTC", () =>
    set.inTab({ zone: "America/New_York" }, async ({ page }) => {
      const { scheduler, receiver } = set;
      await page.goto(`${scheduler.url}/new`);
      await fill(page, { "Callback URL": receiver.url("/at") });
      await page.getByText("At …", { exact: true }).click();
      await page.getByLabel("At", { exact: true }).fill("2027-03-27T09:30");
      await page.getByText("That is all: it fires once.").waitFor();
      assert.deepEqual(await listed(page), ["2027-03-27T13:30:00.000Z"]);
      const id = await schedule(page);
      assert.equal((await scheduler.job(id)).fireAtUtc, "2027-03-27T13:30:00.000Z");
      await scheduler.advanceTo("2027-03-27T13:31:00Z");
      assert.equal(receiver.callsTo("/at").length, 1);
    }));

  test("an interval ends after its occurrences, each delivered once", () =>
    set.inTab({}, async ({ page }) => {
      const { scheduler, receiver } = set;
      await page.goto(`${scheduler.url}/new`);
      await fill(page, { "Callback URL": receiver.url("/every") });
      await page.getByText("Every …", { exact: true }).click();
      await fill(page, { Every: "2" });
      await page.getByRole("combobox", { name: "Unit of the interval" }).click();
      await page.getByRole("option", { name: "minutes" }).click();
      await page.getByText("After …").click();
      await fill(page, { Occurrences: "3" });
      await page.getByText("That is all: the schedule ends with the last.").waitFor();
      await until("three are listed", async () => (await listed(page)).length === 3);
      const id = await schedule(page);
      await page.getByText("Every 2 min, 3 times.").waitFor();
      await scheduler.advanceTo("2027-03-27T14:00:00Z");
      assert.equal(receiver.callsTo("/every").length, 3);
      const series = await scheduler.jobs(`&seriesId=${(await scheduler.job(id)).seriesId}`);
      assert.deepEqual(
        series.map((job) => job.status),
        ["Done", "Done", "Done"],
      );
      // The neighbours appear, and lead to their pages.
      await page.reload();
      await page.locator(".series a").last().click();
      await page.getByText("#3 ").first().waitFor();
    }));

  for (const { of, times, start, kind, sentence } of [
    {
      of: "spring",
      times: ["02:30"],
      start: "2027-03-27T20:00",
      kind: "Clocks go forward",
      sentence: /02:30 does not exist on 2027-03-28/,
    },
    {
      of: "spring",
      times: ["02:30", "03:30"],
      start: "2027-03-27T20:00",
      kind: "Two times in one",
      sentence: /2027-03-28/,
    },
    { of: "autumn", times: ["02:30"], start: "2027-10-30T20:00", kind: "Clocks go back", sentence: /2027-10-31/ },
  ]) {
    test(`${times.join(" and ")} in ${of} in Rome is marked and explained: ${kind.toLowerCase()}`, () =>
      set.inTab({}, async (tab) => {
        const { page } = tab;
        await tab.goto("/new");
        await page.getByText("On a calendar").click();
        await fill(page, { "Time 1": times[0] ?? "" });
        for (const [index, time] of times.slice(1).entries()) {
          await page.getByRole("button", { name: "Add a time" }).click();
          await fill(page, { [`Time ${index + 2}`]: time });
        }
        await page.getByText("At …", { exact: true }).first().click();
        await page.getByLabel("At", { exact: true }).fill(start);
        const noted = page.locator(".occurrences .noted");
        await noted.getByText(kind).waitFor();
        assert.match(await noted.first().innerText(), sentence);
        assert.equal(await page.locator(".strip td.noted").count(), 1);
        await tab.check(`a preview in ${of}`);
        await tab.screenshot(`preview-${kind.toLowerCase().replaceAll(" ", "-")}`, true);
      }));
  }

  test("what the API refuses stands at its field, in the API's words, and goes when it is put right", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      const { receiver } = set;
      await tab.goto("/new");
      assert.equal(
        await page.locator(".mantine-InputWrapper-error").count(),
        0,
        "nothing is wrong before something is done",
      );
      await fill(page, { "Callback URL": "ftp://example.org/", Payload: "{" });
      await page.getByText("This is not JSON").waitFor();
      assert.equal(await page.getByRole("button", { name: "Schedule the job" }).isDisabled(), true);
      await fill(page, { Payload: "{}" });
      await page.getByText("Tries and keys").click();
      await fill(page, { Attempts: "101", "Idempotency key": "ö" });
      for (const label of ["Callback URL", "Attempts", "Idempotency key"]) {
        const input = page.getByLabel(label, { exact: true });
        await until(`${label} is marked`, async () => (await input.getAttribute("aria-invalid")) === "true");
      }
      await tab.check("a form with errors");
      await tab.screenshot("form-errors", true);
      await page.getByRole("button", { name: "Schedule the job" }).click();
      await page.getByRole("alert").getByText("3 fields are wrong.").waitFor();
      await fill(page, { "Callback URL": receiver.url("/right"), Attempts: "2", "Idempotency key": "key" });
      await schedule(page);
    }));

  // The last, since it lets days pass.
  test("a calendar with several times, chosen days and a zone fires at exactly those", () =>
    set.inTab({}, async ({ page }) => {
      const { scheduler, receiver } = set;
      await page.goto(`${scheduler.url}/new`);
      await fill(page, { "Callback URL": receiver.url("/calendar") });
      await page.getByText("On a calendar").click();
      await fill(page, { "Time 1": "08:15" });
      await page.getByRole("button", { name: "Add a time" }).click();
      await fill(page, { "Time 2": "20:45" });
      await page.getByRole("button", { name: "Weekdays" }).click();
      await page.getByRole("button", { name: "Wed", exact: true }).click();
      const zone = page.getByRole("combobox", { name: "Time zone" });
      await zone.click();
      await zone.fill("Tokyo");
      await page.getByRole("option", { name: "Asia/Tokyo" }).click();
      await page.getByText("Times of Asia/Tokyo").waitFor();
      const planned = await listed(page);
      assert.deepEqual(planned.slice(0, 5), [
        "2027-03-28T23:15:00.000Z",
        "2027-03-29T11:45:00.000Z",
        "2027-03-29T23:15:00.000Z",
        "2027-03-30T11:45:00.000Z",
        "2027-03-31T23:15:00.000Z",
      ]);
      const id = await schedule(page);
      await page.getByText("At 08:15, 20:45 Mon, Tue, Thu, Fri, Asia/Tokyo time.").waitFor();
      const job = await scheduler.job(id);
      assert.deepEqual([job.scheduleDaysOfWeek, job.timeZone], [[1, 2, 4, 5], "Asia/Tokyo"]);
      await scheduler.advanceTo("2027-03-31T12:00:00Z");
      assert.equal(receiver.callsTo("/calendar").length, 4);
      const series = await scheduler.jobs(`&order=asc&seriesId=${job.seriesId}`);
      const delivered = series.filter(({ status }) => status === "Done").map(({ fireAtUtc }) => fireAtUtc);
      assert.deepEqual(delivered, planned.slice(0, 4));
    }));
});
