// The next occurrences as the server computes them, with what a change of the clocks does to them, and a strip of weeks.

import type { Preview as Planned } from "../api";
import { useNow } from "../session";
import { local, relative, utc } from "../time";
import { Empty, Failure } from "../ui/Notice";
import { WeekStrip } from "./WeekStrip";

const LISTED = 10;
const NOTE_WORDS = { gap: "Clocks go forward", overlap: "Clocks go back", merged: "Two times in one" };

export function Preview({ planned, error, busy }: { planned: Planned | undefined; error: unknown; busy: boolean }) {
  const now = useNow();
  if (error) {
    return "status" in Object(error) && Object(error).status === 400 ? (
      <Empty title="Not a schedule yet">What is missing or wrong is marked at its field.</Empty>
    ) : (
      <Failure error={error} />
    );
  }
  if (!planned) return <p className="muted">Computing …</p>;
  const { occurrences, timeZone, complete } = planned;
  const noted = occurrences.filter(({ note }) => note);
  const beyond = noted.filter((occurrence) => !occurrences.slice(0, LISTED).includes(occurrence));
  return (
    <div aria-busy={busy} className={busy ? "busy" : ""}>
      {timeZone && <p className="muted">Times of {timeZone}</p>}
      <ol className="occurrences">
        {[...occurrences.slice(0, LISTED), ...beyond].map(({ occurrenceNumber, fireAtUtc, fireAtLocal, note }) => (
          <li key={fireAtUtc} className={note ? "noted" : ""}>
            <span className="number">{occurrenceNumber ?? 1}</span>
            <time dateTime={fireAtUtc} title={utc(fireAtUtc)}>
              {fireAtLocal ? wall(fireAtLocal) : local(fireAtUtc, now)}
              <span className="muted"> {relative(fireAtUtc, now)}</span>
            </time>
            {note && (
              <p className="note">
                <strong>{NOTE_WORDS[note.kind]}</strong> {note.detail}
              </p>
            )}
          </li>
        ))}
      </ol>
      <p className="muted">
        {complete
          ? occurrences.length === 1
            ? "That is all: it fires once."
            : "That is all: the schedule ends with the last."
          : occurrences.length > LISTED
            ? "And so on."
            : ""}
      </p>
      {occurrences.length > 1 && <WeekStrip planned={planned} />}
    </div>
  );
}

/** "Sun 28 Mar 2027, 03:30 +02:00", from the local time that the server wrote. */
export function wall(fireAtLocal: string): string {
  const [date = "", rest = ""] = fireAtLocal.split("T");
  const day = new Date(`${date}T12:00:00Z`).toLocaleDateString("en-GB", {
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
    timeZone: "UTC",
  });
  const [, time = "", offset = ""] = /^(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(.*)$/.exec(rest) ?? [];
  return `${day}, ${time} ${offset === "Z" ? "+00:00" : offset}`;
}
