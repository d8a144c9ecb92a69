// The filters, which stay in sight, and how many jobs of each kind there are in the range.

import { Select, Switch, TextInput } from "@mantine/core";
import type { JobCounts, JobStatus } from "../api";
import { fromLocalInput, toLocalInput } from "../time";
import { STATUS_WORDS, STATUSES } from "../ui/Status";
import { type Filters, RANGES } from "./filters";

interface Props {
  filters: Filters;
  change: (change: Partial<Filters>) => void;
  counts: JobCounts | undefined;
  live: boolean;
  setLive: (live: boolean) => void;
}

export function FilterBar({ filters, change, counts, live, setLive }: Props) {
  const choices = [
    ...Object.entries(RANGES).map(([value, range]) => ({ value, label: range.label })),
    { value: "custom", label: "From … to …" },
  ];
  return (
    <div className="filters">
      <fieldset className="chips">
        <legend className="visually-hidden">Status</legend>
        {[null, ...STATUSES].map((status) => (
          <button
            type="button"
            key={status ?? "all"}
            className={`chip chip-${status ?? "all"}`}
            aria-pressed={filters.status === status}
            onClick={() => change({ status })}
          >
            {status === null ? "All" : STATUS_WORDS[status]}
            <Count counts={counts} status={status} />
          </button>
        ))}
      </fieldset>
      <div className="filter-fields">
        <Select
          aria-label="Planned"
          className="range"
          data={choices}
          value={filters.range}
          allowDeselect={false}
          onChange={(range) => range && change({ range, from: null, to: null })}
        />
        {filters.range === "custom" && (
          <>
            <TextInput
              aria-label="From"
              type="datetime-local"
              value={filters.from ? toLocalInput(filters.from) : ""}
              onChange={(event) => change({ from: fromLocalInput(event.currentTarget.value) ?? null })}
            />
            <TextInput
              aria-label="To"
              type="datetime-local"
              value={filters.to ? toLocalInput(filters.to) : ""}
              onChange={(event) => change({ to: fromLocalInput(event.currentTarget.value) ?? null })}
            />
          </>
        )}
        <TextInput
          aria-label="Text in name or URL"
          className="text"
          placeholder="Name or URL, in what is loaded"
          value={filters.text}
          onChange={(event) => change({ text: event.currentTarget.value })}
        />
        <Select
          aria-label="Order"
          className="order"
          data={[
            { value: "desc", label: "Latest first" },
            { value: "asc", label: "Earliest first" },
          ]}
          value={filters.order}
          allowDeselect={false}
          onChange={(order) => change({ order: order === "asc" ? "asc" : "desc" })}
        />
        <Switch label="Live" checked={live} onChange={(event) => setLive(event.currentTarget.checked)} />
      </div>
    </div>
  );
}

/** What waits and what is being delivered is counted as one, and told with the first of the two. */
function Count({ counts, status }: { counts: JobCounts | undefined; status: JobStatus | null }) {
  if (!counts || status === "Firing") return null;
  const { open, done, cancelled, deadLetter } = counts;
  const numbers = { Pending: open, Done: done, Cancelled: cancelled, DeadLetter: deadLetter };
  const number = status === null ? open + done + cancelled + deadLetter : numbers[status];
  const stopped = !counts.exact && (status === null || number >= 10_000);
  return (
    <span className="count" title={status === "Pending" ? "Pending and firing together" : undefined}>
      {number.toLocaleString("en")}
      {stopped && "+"}
      {status === "Pending" && " open"}
    </span>
  );
}
