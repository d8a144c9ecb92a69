// Instants in words. Times are local, since people read them; the instant in UTC is never more than a pointer away.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", DAY],
  ["hour", HOUR],
  ["minute", MINUTE],
  ["second", SECOND],
];

const relativeFormat = new Intl.RelativeTimeFormat("en", { style: "short" });
const DATE = { day: "numeric", month: "short" } as const;
const TIME = { hour: "2-digit", minute: "2-digit" } as const;
/** By what has to be said: the year when it is another one, seconds when there are any. */
const FORMATS = [DATE, { ...DATE, year: "numeric" } as const].map((date) =>
  [TIME, { ...TIME, second: "2-digit" } as const].map((time) => new Intl.DateTimeFormat("en-GB", { ...date, ...time })),
);

/** Where the browser says that it is. */
export const localZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** "in 3 min." or "2 hr. ago"; beyond a month the number of days says little, so nothing. */
export function relative(instant: string | number, now: number): string {
  const distance = new Date(instant).getTime() - now;
  if (Math.abs(distance) < SECOND / 2) return "now";
  if (Math.abs(distance) > 400 * DAY) return "";
  const [unit, size] = UNITS.find(([, size]) => Math.abs(distance) >= size) ?? ["second", SECOND];
  return relativeFormat.format(Math.trunc(distance / size) || Math.sign(distance), unit).replace(/\.(?= |$)/, "");
}

export function local(instant: string | number, now: number): string {
  const date = new Date(instant);
  const otherYear = date.getFullYear() !== new Date(now).getFullYear();
  return FORMATS[Number(otherYear)]?.[Number(date.getSeconds() !== 0)]?.format(date) ?? utc(date.toISOString());
}

/** As the API writes it, without the milliseconds that are zero. */
export function utc(instant: string): string {
  return instant
    .replace(/\.000Z$/, "Z")
    .replace("T", " ")
    .replace("Z", " UTC");
}

/** "1.2 s", "3 min 20 s", "2 d 4 h": the two largest units that say something. */
export function duration(milliseconds: number): string {
  if (milliseconds < SECOND) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 10 * SECOND) return `${(milliseconds / SECOND).toFixed(1).replace(/\.0$/, "")} s`;
  let left = Math.round(milliseconds / SECOND);
  const parts: string[] = [];
  for (const [name, seconds] of [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ] as const) {
    const count = Math.floor(left / seconds);
    left -= count * seconds;
    if (count > 0) parts.push(`${count} ${name}`);
    else if (parts.length > 0) break;
  }
  return parts.slice(0, 2).join(" ");
}

/** What an input of the type datetime-local shows and gives: local time, without a zone. */
export function toLocalInput(instant: string): string {
  const date = new Date(instant);
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * MINUTE).toISOString().slice(0, 19);
}

export function fromLocalInput(text: string): string | undefined {
  const date = new Date(text);
  return text === "" || Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
