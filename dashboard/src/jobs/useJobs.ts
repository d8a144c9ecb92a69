// The list, page after page by cursor, and its refresh.

import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { Job } from "../api";
import { useSession } from "../session";
import { bounds, type Filters } from "./filters";

const PAGE = 50;
const REFRESH_MS = 10_000;
/** More than this is not read again every few seconds: the reader asks for it. */
const MOST_REFRESHED = 500;

interface Place {
  cursor: string | null;
  /** A cursor belongs to its bounds, so those of the first page hold for all. */
  from: string | null;
  to: string | null;
}

export function useJobs(filters: Filters, live: boolean) {
  const { api, ahead } = useSession();
  const { status, order, range, from, to } = filters;
  const query = useInfiniteQuery({
    queryKey: ["jobs", status, order, range, from, to],
    queryFn: async ({ pageParam, signal }) => {
      const place: Place = pageParam ?? { cursor: null, ...bounds(filters, Date.now() + ahead) };
      const page = await api.jobs.list({ status, order, limit: PAGE, ...place }, { signal });
      return { items: page.items, next: page.nextCursor === null ? null : { ...place, cursor: page.nextCursor } };
    },
    initialPageParam: null as Place | null,
    getNextPageParam: (page) => page.next,
    refetchInterval: ({ state }) => {
      const loaded = (state.data?.pages.length ?? 0) * PAGE;
      return live && loaded <= MOST_REFRESHED ? REFRESH_MS : false;
    },
    placeholderData: keepPreviousData,
  });
  const jobs = useMemo(() => unique(query.data?.pages.flatMap((page) => page.items) ?? []), [query.data]);
  const paused = live && jobs.length > MOST_REFRESHED;
  return { ...query, jobs, paused };
}

export function useCounts(filters: Filters, live: boolean) {
  const { api, ahead } = useSession();
  const { range, from, to } = filters;
  return useQuery({
    queryKey: ["counts", range, from, to],
    queryFn: ({ signal }) => api.stats.jobs(bounds(filters, Date.now() + ahead), { signal }),
    refetchInterval: live ? REFRESH_MS : false,
    placeholderData: keepPreviousData,
  });
}

/** Pages are read one after the other, and a job may move in between. */
function unique(jobs: Job[]): Job[] {
  return [...new Map(jobs.map((job) => [job.id, job])).values()];
}

export function matches(job: Job, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  return wanted === "" || [job.name, job.callbackUrl, job.id].some((part) => part?.toLowerCase().includes(wanted));
}
