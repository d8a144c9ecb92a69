// What is shown of all jobs. It lives in the page's URL, so that a view can be reloaded, bookmarked and sent to a colleague.

import { useCallback, useMemo } from "react";
import { useSearch } from "wouter";
import { navigate } from "wouter/use-browser-location";
import type { JobStatus } from "../api";
import { STATUSES } from "../ui/Status";

export interface Filters {
  status: JobStatus | null;
  /** One of RANGES, or "custom" with `from` and `to`. */
  range: string;
  from: string | null;
  to: string | null;
  /** Looked for in names and URLs of what is loaded. */
  text: string;
  order: "desc" | "asc";
}

const HOUR = 3_600_000;
/** Relative to now, in milliseconds: a link that says "last 24 hours" means those of whoever opens it. */
export const RANGES: Record<string, { label: string; from: number | null; to: number | null }> = {
  all: { label: "Any time", from: null, to: null },
  "past-1h": { label: "Last hour", from: -HOUR, to: 0 },
  "past-24h": { label: "Last 24 hours", from: -24 * HOUR, to: 0 },
  "past-7d": { label: "Last 7 days", from: -168 * HOUR, to: 0 },
  "next-1h": { label: "Next hour", from: 0, to: HOUR },
  "next-24h": { label: "Next 24 hours", from: 0, to: 24 * HOUR },
  "next-7d": { label: "Next 7 days", from: 0, to: 168 * HOUR },
};

export function read(search: string): Filters {
  const given = new URLSearchParams(search);
  const [from, to] = [instant(given.get("from")), instant(given.get("to"))];
  const range = given.get("range") ?? "all";
  return {
    status: STATUSES.find((status) => status === given.get("status")) ?? null,
    range: from || to || range === "custom" ? "custom" : range in RANGES ? range : "all",
    from,
    to,
    text: given.get("q") ?? "",
    order: given.get("order") === "asc" ? "asc" : "desc",
  };
}

export function write(filters: Filters): string {
  const said = new URLSearchParams();
  if (filters.status) said.set("status", filters.status);
  if (filters.range !== "all") said.set("range", filters.range);
  if (filters.range === "custom" && filters.from) said.set("from", filters.from);
  if (filters.range === "custom" && filters.to) said.set("to", filters.to);
  if (filters.text) said.set("q", filters.text);
  if (filters.order === "asc") said.set("order", "asc");
  return said.toString();
}

export function useFilters(): [Filters, (change: Partial<Filters>) => void] {
  const search = useSearch();
  const filters = useMemo(() => read(search), [search]);
  const change = useCallback((change: Partial<Filters>) => {
    const query = write({ ...read(location.search), ...change });
    navigate(query ? `/?${query}` : "/", { replace: true });
  }, []);
  return [filters, change];
}

/** The bounds that the API is asked with. */
export function bounds(filters: Filters, now: number): { from: string | null; to: string | null } {
  if (filters.range === "custom") return { from: filters.from, to: filters.to };
  const range = RANGES[filters.range];
  const at = (distance: number | null | undefined) =>
    distance === null || distance === undefined ? null : new Date(now + distance).toISOString();
  return { from: at(range?.from), to: at(range?.to) };
}

function instant(text: string | null): string | null {
  return text !== null && !Number.isNaN(Date.parse(text)) ? new Date(text).toISOString() : null;
}
