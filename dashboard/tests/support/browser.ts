// Debian's Chromium, and a page that fails its test when anything in it went wrong: an error, a refusal by the
// Content-Security-Policy, a request to anywhere else.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { type Scheduler, TOKEN } from "./scheduler.js";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
const SWITCHES = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const SCREENSHOTS = fileURLToPath(new URL("../../screenshots/", import.meta.url));
const WAIT_MS = 20_000;

export type Device = "wide" | "phone";
export type Scheme = "light" | "dark";
const SIZES = { wide: { width: 1280, height: 860 }, phone: { width: 390, height: 844 } };

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: SWITCHES, env: { ...process.env, LANGUAGE: "en_GB" } });
}

export interface Look {
  token?: string | null;
  device?: Device;
  scheme?: Scheme;
  zone?: string;
}

/** A tab of its own that is signed in, unless its token is null. */
export class Tab {
  readonly wrong: string[] = [];

  private constructor(
    readonly page: Page,
    private readonly context: BrowserContext,
    private readonly scheduler: Scheduler,
  ) {}

  static async open(browser: Browser, scheduler: Scheduler, look: Look = {}): Promise<Tab> {
    const { token = TOKEN, device = "wide", scheme = "light", zone = "Europe/Rome" } = look;
    const context = await browser.newContext({
      viewport: SIZES[device],
      colorScheme: scheme,
      timezoneId: zone,
      locale: "en-GB",
      reducedMotion: "reduce",
      hasTouch: device === "phone",
    });
    context.setDefaultTimeout(WAIT_MS);
    const page = await context.newPage();
    const tab = new Tab(page, context, scheduler);
    page.on("pageerror", (error) => tab.wrong.push(String(error)));
    page.on("dialog", (dialog) => {
      tab.wrong.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("console", (message) => {
      // A refused request is what some tests are about; what the page makes of it is asserted there.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
        tab.wrong.push(message.text());
    });
    page.on("request", (request) => {
      const { origin, protocol, search } = new URL(request.url());
      if (protocol !== "data:" && origin !== scheduler.url) tab.wrong.push(`asked ${request.url()}`);
      if (token !== null && search.includes(token)) tab.wrong.push(`the token is in ${request.url()}`);
    });
    if (token !== null) {
      await context.addInitScript((token) => sessionStorage.setItem("scheduler-token", token), token);
    }
    return tab;
  }

  async goto(path: string): Promise<void> {
    await this.page.goto(this.scheduler.url + path);
  }

  /** Nothing went wrong, and axe-core finds nothing to complain about as it now looks. */
  async check(what: string): Promise<void> {
    assert.deepEqual(this.wrong, [], what);
    await this.page.evaluate("document.activeElement?.blur()");
    // Evaluated by the debugger, which no policy of the page's holds back.
    const { readFile } = await import("node:fs/promises");
    await this.page.evaluate(await readFile(AXE, "utf8"));
    const found = (await this.page.evaluate(
      "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })",
    )) as { violations: { id: string; help: string; nodes: { html: string; failureSummary: string }[] }[] };
    const told = found.violations.map(
      ({ id, help, nodes }) =>
        `${id}: ${help}\n${nodes.map((node) => `  ${node.html}\n  ${node.failureSummary}`).join("\n")}`,
    );
    assert.deepEqual(told, [], `${what}\n${told.join("\n")}`);
  }

  async screenshot(name: string, fullPage = false): Promise<void> {
    await this.page.evaluate("scrollTo(0, 0)");
    await mkdir(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage });
  }

  async close(): Promise<void> {
    await this.context.close();
    assert.deepEqual(this.wrong, []);
  }
}
