// What a file of tests needs: a scheduler, a receiver and a browser, started before its tests and ended after them.

import { after, before } from "node:test";
import type { Browser } from "playwright-core";
import { type Look, launch, Tab } from "./browser.js";
import { Receiver } from "./receiver.js";
import { Scheduler } from "./scheduler.js";

export interface Setting {
  scheduler: Scheduler;
  receiver: Receiver;
  /** Opens a tab, does this in it, and closes it. */
  inTab: (look: Look, act: (tab: Tab) => Promise<void>) => Promise<void>;
}

export function setting(now: string): Setting {
  let browser: Browser;
  const made = {} as Setting;
  before(async () => {
    [made.scheduler, made.receiver, browser] = await Promise.all([Scheduler.start(now), Receiver.start(), launch()]);
    made.inTab = async (look, act) => {
      const tab = await Tab.open(browser, made.scheduler, look);
      await act(tab);
      await tab.close();
    };
  });
  after(async () => {
    await Promise.all([browser?.close(), made.receiver?.stop(), made.scheduler?.stop()]);
  });
  return made;
}

/** Waits until this is true; what it waits for is in its words. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it never came to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
