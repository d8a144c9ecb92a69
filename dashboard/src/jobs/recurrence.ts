// A schedule in words.

import type { Job } from "../api";
import { duration } from "../time";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"] as const;

export function days(numbers: readonly number[] | undefined): string {
  const given = [...(numbers ?? [])].sort((a, b) => ((a + 6) % 7) - ((b + 6) % 7));
  if (given.length === 0 || given.length === 7) return "every day";
  if (given.join() === "1,2,3,4,5") return "Monday to Friday";
  if (given.join() === "6,0") return "at weekends";
  return given.map((number) => DAYS[number]?.slice(0, 3)).join(", ");
}

type Scheduled = Pick<Job, "recurrenceSeconds" | "scheduleTimes" | "scheduleDaysOfWeek" | "timeZone">;

/** For a row. */
export function inShort(job: Scheduled & { occurrenceNumber?: number | null }): string {
  const number = job.occurrenceNumber ? `#${job.occurrenceNumber} · ` : "";
  if (job.recurrenceSeconds) return `${number}every ${duration(job.recurrenceSeconds * 1000)}`;
  const times = job.scheduleTimes ?? [];
  const shown = times.length > 2 ? `${times.length} times` : times.join(", ");
  return `${number}${shown} ${days(job.scheduleDaysOfWeek)}`;
}

/** For the page of a job. */
export function inWords(job: Scheduled): string {
  if (job.recurrenceSeconds) return `Every ${duration(job.recurrenceSeconds * 1000)}`;
  if (!job.scheduleTimes) return "Once";
  return `At ${job.scheduleTimes.join(", ")} ${days(job.scheduleDaysOfWeek)}, ${job.timeZone ?? ""} time`;
}
