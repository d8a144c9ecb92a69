// All jobs of the tenant: what was called, what will be, what failed.

import { Button } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { useSession } from "../session";
import { Empty, Failure, Loading, NotAllowed } from "../ui/Notice";
import { useTitle } from "../ui/useTitle";
import { BulkRetry } from "./BulkRetry";
import { FilterBar } from "./FilterBar";
import { useFilters } from "./filters";
import { JobTable } from "./JobTable";
import { matches, useCounts, useJobs } from "./useJobs";

export function JobsPage() {
  useTitle("Jobs");
  const { may } = useSession();
  if (!may("read")) return <NotAllowed scope="read" what="see jobs" />;
  return <Jobs />;
}

function Jobs() {
  const { may } = useSession();
  const [filters, change] = useFilters();
  const [live, setLive] = useState(true);
  const list = useJobs(filters, live);
  const counts = useCounts(filters, live);
  const shown = list.jobs.filter((job) => matches(job, filters.text));
  const narrowed = filters.status !== null || filters.range !== "all";

  return (
    <>
      <h1 className="visually-hidden">Jobs</h1>
      <FilterBar filters={filters} change={change} counts={counts.data} live={live} setLive={setLive} />
      {filters.status === "DeadLetter" && may("write") && <BulkRetry filters={filters} />}
      {list.isPending ? (
        <Loading what="jobs" />
      ) : list.error && list.jobs.length === 0 ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : list.jobs.length === 0 ? (
        narrowed ? (
          <Empty title="No job matches">
            Another status or a longer time may.{" "}
            <Button variant="subtle" size="compact-sm" onClick={() => change({ status: null, range: "all", text: "" })}>
              Show all jobs
            </Button>
          </Empty>
        ) : (
          <Empty title="Nothing is scheduled yet">
            {may("write") ? (
              <>
                <Link href="/new">Schedule the first job</Link>, or send one to <code>POST /scheduled-jobs</code>.
              </>
            ) : (
              "Jobs appear here as soon as a program schedules one."
            )}
          </Empty>
        )
      ) : (
        <>
          {list.error && <Failure error={list.error} again={() => void list.refetch()} />}
          {shown.length === 0 ? (
            <Empty title={`None of the ${list.jobs.length} loaded jobs has “${filters.text}” in its name or URL`}>
              The text is looked for in what is loaded; load more to look further.
            </Empty>
          ) : (
            <JobTable jobs={shown} />
          )}
          <More list={list} />
          <p className="muted foot" role="status">
            {shown.length === list.jobs.length
              ? `${shown.length} loaded`
              : `${shown.length} of ${list.jobs.length} loaded`}
            {!list.hasNextPage && ", that is all"}
            {list.paused && (
              <>
                . Refreshing pauses beyond 500 jobs.{" "}
                <Button
                  variant="subtle"
                  size="compact-xs"
                  loading={list.isRefetching}
                  onClick={() => void list.refetch()}
                >
                  Refresh now
                </Button>
              </>
            )}
          </p>
        </>
      )}
    </>
  );
}

/** Loads the next page when the reader comes near the end, or by its button. */
function More({ list }: { list: ReturnType<typeof useJobs> }) {
  const end = useRef<HTMLDivElement>(null);
  const { hasNextPage, isFetching, fetchNextPage } = list;
  useEffect(() => {
    const element = end.current;
    if (!element || !hasNextPage || isFetching) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) void fetchNextPage();
      },
      { rootMargin: "600px" },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [hasNextPage, isFetching, fetchNextPage]);
  if (!hasNextPage) return null;
  return (
    <div ref={end} className="more">
      <Button variant="default" loading={list.isFetchingNextPage} onClick={() => void fetchNextPage()}>
        Load more
      </Button>
    </div>
  );
}
