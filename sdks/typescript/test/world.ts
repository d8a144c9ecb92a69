// A scheduler, a receiver and a client for the file that imports them: there before its first test, gone after its last.

import { after, before } from "node:test";
import { ContitClient } from "@contit/scheduler";
import { Receiver, Scheduler } from "./scheduler.js";

export let scheduler: Scheduler;
export let receiver: Receiver;
/** Where the receiver is. */
export let hook: string;
export let client: ContitClient;

before(async () => {
  scheduler = await Scheduler.start();
  receiver = new Receiver();
  hook = await receiver.start();
  client = new ContitClient({ apiKey: "dev", baseUrl: scheduler.url });
});

after(async () => {
  await scheduler.stop();
  await receiver.stop();
});
