// What the API counted, as bars.

import type { Stats } from "../api";
import { duration } from "../time";
import type { Bar } from "./Bars";

type Hours = Stats["hours"];
export interface Span {
  start: string;
  label: string;
  delivered: number;
  failed: number;
}

/** Hours as they are, or summed by local day where there are too many to be told apart. */
export function byHourOrDay(hours: Hours, byHour: boolean): Span[] {
  const spans = new Map<string, Span>();
  for (const { hourUtc, delivered, failed } of hours) {
    const date = new Date(hourUtc);
    const label = byHour
      ? date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })
      : date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    const key = byHour ? hourUtc : label;
    const span = spans.get(key) ?? { start: hourUtc, label, delivered: 0, failed: 0 };
    spans.set(key, { ...span, delivered: span.delivered + delivered, failed: span.failed + failed });
  }
  return [...spans.values()];
}

/** A histogram; the last buckets of lateness are the ones that an operator looks for. */
export function buckets(given: Stats["latenessSeconds"], kind: "late" | "answer"): Bar[] {
  return given.map(({ upTo, count }, index) => {
    const before = given[index - 1]?.upTo ?? 0;
    const label = upTo === null || upTo === undefined ? "more" : duration(upTo * 1000);
    const worrying = kind === "late" ? before >= 60 : before >= 10;
    return { key: label, label, parts: [{ kind: worrying ? "bad" : "calm", name: "attempts", value: count }] };
  });
}

export function share(part: number, whole: number): string {
  if (whole === 0) return "";
  const percent = (part / whole) * 100;
  return `${percent > 0 && percent < 0.1 ? "< 0.1" : percent.toFixed(percent < 10 ? 1 : 0)} %`;
}

/** The next round number: what an axis ends at. */
export function roundUp(value: number): number {
  if (value <= 4) return Math.max(value, 1);
  const magnitude = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 2.5, 5, 10].find((step) => step * magnitude >= value) ?? 10;
  return Math.ceil(step * magnitude);
}
