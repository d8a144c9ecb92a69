// The next weeks as a calendar: how often it fires on each day, and where a change of the clocks matters.

import type { Preview } from "../api";

const WEEKS = 5;
const DAY = 86_400_000;
const INITIALS = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];

export function WeekStrip({ planned }: { planned: Preview }) {
  const days = new Map<string, { count: number; noted: boolean }>();
  for (const { fireAtUtc, fireAtLocal, note } of planned.occurrences) {
    const date = fireAtLocal?.slice(0, 10) ?? localDate(fireAtUtc);
    const day = days.get(date) ?? { count: 0, noted: false };
    days.set(date, { count: day.count + 1, noted: day.noted || note !== null });
  }
  const dates = [...days.keys()].sort();
  const first = dates[0];
  const last = dates.at(-1);
  if (!first || !last) return null;
  const start = Date.parse(first) - ((new Date(first).getUTCDay() + 6) % 7) * DAY;
  const weeks = Array.from({ length: WEEKS }, (_, week) =>
    INITIALS.map((_, day) => new Date(start + (week * 7 + day) * DAY).toISOString().slice(0, 10)),
  );
  return (
    <table className="strip">
      <caption>The next {WEEKS} weeks</caption>
      <thead>
        <tr>
          {INITIALS.map((initial) => (
            <th scope="col" key={initial}>
              {initial}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {weeks.map((week) => (
          <tr key={week[0]}>
            {week.map((date) => {
              const day = days.get(date);
              const unknown = date > last && !planned.complete;
              const kind = day ? (day.noted ? "fires noted" : "fires") : unknown ? "unknown" : "";
              return (
                <td key={date} className={kind} title={title(date, day?.count ?? 0, unknown)}>
                  <span className="date">{name(date, date === weeks[0]?.[0])}</span>
                  <span className="times-that-day">
                    {day ? times(day.count, date === last && !planned.complete) : unknown ? "…" : ""}
                  </span>
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Once goes without saying. */
function times(count: number, orMore: boolean): string {
  return count === 1 && !orMore ? "" : `×${count}${orMore ? "+" : ""}`;
}

function title(date: string, count: number, unknown: boolean): string {
  if (unknown) return `${date}: beyond what was computed`;
  return `${date}: ${count === 0 ? "does not fire" : count === 1 ? "fires once" : `fires ${count} times`}`;
}

/** The day of the month, with the month where one begins. */
function name(date: string, first: boolean): string {
  const day = Number(date.slice(8));
  if (!first && day !== 1) return String(day);
  return new Date(date).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
}

function localDate(instant: string): string {
  const date = new Date(instant);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}
