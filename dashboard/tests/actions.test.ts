// What can be done to jobs: cancel, run now, retry one and many, duplicate. With a token that only reads, none of it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setting, until } from "./support/setting.js";

const START = "2027-05-10T08:00:00Z";

describe("actions", () => {
  const set = setting(START);

  test("a failing receiver shows each attempt with its error, and a retry delivers once it is well again", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      const { scheduler, receiver } = set;
      receiver.answer("/ill", 500, "out of disk <b>space</b>");
      const { id } = await scheduler.post({ name: "To the ill one", callbackUrl: receiver.url("/ill"), maxRetries: 3 });
      await scheduler.advanceTo("2027-05-10T08:10:00Z");
      await tab.goto(`/jobs/${id}`);
      await page.getByText("Given up").waitFor();
      const attempts = page.locator(".attempt");
      assert.equal(await attempts.count(), 3);
      assert.deepEqual(await page.locator(".attempt-code").allInnerTexts(), ["500", "500", "500"]);
      for (const [index, number] of [3, 2, 1].entries()) {
        const words = await attempts.nth(index).innerText();
        assert.match(words, new RegExp(`Attempt ${number}`));
        assert.match(words, /the receiver answered 500/);
      }
      assert.match(await attempts.first().innerText(), /out of disk <b>space<\/b>/);
      assert.match(await attempts.nth(1).innerText(), /1 min after the one before/);

      receiver.answer("/ill", 200, "well");
      await page.getByRole("button", { name: "Retry" }).click();
      await page.getByText("The first attempt").waitFor();
      await page.getByRole("button", { name: "Retry" }).waitFor({ state: "detached" });
      await scheduler.advanceTo("2027-05-10T08:12:00Z");
      await page.getByText("Delivered").waitFor();
      assert.equal(await attempts.count(), 4, "the old attempts are kept");
      assert.equal(receiver.callsTo("/ill").length, 4);
      await tab.check("a job that was retried");
    }));

  test("cancelling asks first, says that a series ends with it, and nothing is called afterwards", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      const { scheduler, receiver } = set;
      const { id } = await scheduler.post({
        callbackUrl: receiver.url("/never"),
        recurrenceSeconds: 3_600,
        delaySeconds: 3_600,
      });
      await tab.goto(`/jobs/${id}`);
      await page.getByRole("button", { name: "Cancel …" }).click();
      await page.getByRole("dialog").getByText("no occurrence comes after it").waitFor();
      await tab.check("the question before cancelling");
      await tab.screenshot("cancel");
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      assert.equal((await scheduler.job(id)).status, "Pending");
      await page.getByRole("button", { name: "Cancel …" }).click();
      await page.getByRole("button", { name: "Cancel and end the series" }).click();
      await page.getByText("and its series with it").waitFor();
      assert.equal(await page.getByRole("button", { name: "Run now" }).count(), 0);
      await scheduler.advanceTo("2027-05-10T12:00:00Z");
      assert.equal(receiver.callsTo("/never").length, 0);
    }));

  test("run now makes a job due at once and leaves its plan", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      const { scheduler, receiver } = set;
      const { id } = await scheduler.post({ callbackUrl: receiver.url("/now"), fireAtUtc: "2027-05-20T08:00:00Z" });
      await tab.goto(`/jobs/${id}`);
      await page.getByRole("button", { name: "Run now" }).click();
      await page.getByText("has been due since").waitFor();
      await scheduler.advanceTo("2027-05-10T12:02:00Z");
      await page.getByText("Delivered").waitFor();
      assert.equal((await scheduler.job(id)).fireAtUtc, "2027-05-20T08:00:00.000Z");
      assert.equal(receiver.callsTo("/now").length, 1);
    }));

  test("what came too late is said in words, and the page shows how things are", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      const { scheduler, receiver } = set;
      const { id } = await scheduler.post({ callbackUrl: receiver.url("/late"), delaySeconds: 60 });
      await tab.goto(`/jobs/${id}`);
      await page.getByRole("button", { name: "Cancel …" }).click();
      await page.route(`**/scheduled-jobs/${id}`, async (route) => {
        if (route.request().method() === "DELETE") await scheduler.advanceTo("2027-05-10T12:05:00Z");
        await route.continue();
      });
      await page.getByRole("button", { name: "Cancel the job" }).click();
      await page.getByRole("alert").getByText("It is too late for that").waitFor();
      await page.getByText("Delivered").waitFor();
    }));

  test("many dead letters are counted first, then retried together", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      const { scheduler, receiver } = set;
      receiver.answer("/down", 503);
      for (let number = 0; number < 12; number++) {
        await scheduler.post({ name: `down ${number}`, callbackUrl: receiver.url("/down"), maxRetries: 1 });
      }
      await scheduler.advanceTo("2027-05-10T12:10:00Z");
      receiver.answer("/down", 200);
      await tab.goto("/?status=DeadLetter&range=past-1h");
      await page.getByRole("button", { name: "Retry all dead letters" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByText("12 dead letters (planned: last hour)").waitFor();
      await tab.check("the question before retrying many");
      await tab.screenshot("bulk");
      assert.equal((await scheduler.jobs("&status=DeadLetter")).length, 12, "counting changes nothing");
      await dialog.getByRole("button", { name: "Retry 12" }).click();
      await dialog.getByText("12 of 12 are due again").waitFor();
      await scheduler.advanceTo("2027-05-10T12:12:00Z");
      assert.equal(receiver.callsTo("/down").length, 24);
    }));

  test("a duplicate starts from the job's own fields, byte for byte", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      const { scheduler, receiver } = set;
      const payload = '{"z":1.0,"a":12345678901234567890}';
      const { id } = await scheduler.post(
        `{"name":"first","callbackUrl":"${receiver.url("/twin")}","method":"PUT","headers":{"X-A":"b"},"payload":${payload},
          "scheduleTimes":["07:00","19:30"],"scheduleDaysOfWeek":[1,3],"timeZone":"Europe/Lisbon","maxOccurrences":4,"maxRetries":7}`,
      );
      await tab.goto(`/jobs/${id}`);
      await page.getByRole("link", { name: "Duplicate" }).click();
      await page.getByText("Times of Europe/Lisbon").waitFor();
      await page.getByRole("button", { name: "Schedule the job" }).click();
      await page.waitForURL((url) => /^\/jobs\/.{36}$/.test(url.pathname) && !url.pathname.endsWith(id));
      const [first, second] = await Promise.all([
        scheduler.job(id),
        scheduler.job(new URL(page.url()).pathname.replace("/jobs/", "")),
      ]);
      const same = [
        "name",
        "callbackUrl",
        "method",
        "headers",
        "scheduleTimes",
        "scheduleDaysOfWeek",
        "timeZone",
        "maxOccurrences",
        "maxRetries",
        "fireAtUtc",
      ];
      for (const field of same) assert.deepEqual(second[field], first[field], field);
      await page.getByText("As it is sent").click();
      assert.equal((await page.locator("pre.payload").innerText()).trim(), payload);
    }));

  test("with a token that only reads there is nothing to press that would change anything", async () => {
    const { scheduler, receiver } = set;
    const token = await scheduler.token("read");
    receiver.answer("/dead", 500);
    const dead = await scheduler.post({ callbackUrl: receiver.url("/dead"), maxRetries: 1 });
    await scheduler.advanceTo("2027-05-10T12:20:00Z");
    const waiting = await scheduler.post({ callbackUrl: receiver.url("/waiting"), delaySeconds: 9_000 });
    await set.inTab({ token }, async (tab) => {
      const { page } = tab;
      const shown = async () => page.locator("button, a").allInnerTexts();
      for (const [path, word] of [
        [`/jobs/${dead.id}`, "Given up"],
        [`/jobs/${waiting.id}`, "The first attempt"],
        ["/?status=DeadLetter", "read only"],
        ["/overview", "Attempts by hour"],
      ] as const) {
        await tab.goto(path);
        await page.getByText(word).first().waitFor();
        const found = (await shown()).filter((text) => /retry|cancel …|run now|duplicate|new job/i.test(text));
        assert.deepEqual(found, [], path);
        await tab.check(`${path} with a token that only reads`);
      }
      await tab.goto("/new");
      await page.getByText("This token may not schedule jobs").waitFor();
    });
  });

  test("the callback is copied as a command that a shell takes as it is", () =>
    set.inTab({}, async (tab) => {
      const { page } = tab;
      const { scheduler, receiver } = set;
      const { id } = await scheduler.post({
        callbackUrl: receiver.url("/copied"),
        headers: { "X-Quote": "it's $HOME" },
        payload: { "it's": "`id`" },
        idempotencyKey: "k-1",
        delaySeconds: 9_000,
      });
      await tab.goto(`/jobs/${id}`);
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await page.getByRole("button", { name: "Copy as curl" }).click();
      await page.getByText("Copied", { exact: true }).waitFor();
      const command = (await page.evaluate("navigator.clipboard.readText()")) as string;
      const { execFile } = await import("node:child_process");
      execFile("sh", ["-c", command.replace(/^curl /, "curl --silent --noproxy '*' ")]);
      await until("it was called", () => receiver.callsTo("/copied").length === 1);
      const [call] = receiver.callsTo("/copied");
      assert.deepEqual([call?.method, call?.body], ["POST", '{"it\'s":"`id`"}']);
      assert.deepEqual([call?.headers["x-quote"], call?.headers["contit-idempotency-key"]], ["it's $HOME", "k-1"]);
      await page.getByRole("button", { name: "Copy id" }).click();
      await until("it is copied", async () => (await page.evaluate("navigator.clipboard.readText()")) === id);
    }));
});
