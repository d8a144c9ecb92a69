// The series that a job belongs to: its schedule in words, and the occurrences around this one.

import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import type { Job } from "../api";
import { useSession } from "../session";
import { Instant } from "../ui/Instant";
import { Failure, Loading } from "../ui/Notice";
import { Status } from "../ui/Status";
import { inWords } from "./recurrence";

const BEFORE = 5;
const AFTER = 3;

export function Series({ job, seriesId }: { job: Job; seriesId: string }) {
  const { api } = useSession();
  const query = useQuery({
    queryKey: ["series", seriesId, job.id, job.status],
    queryFn: async ({ signal }) => {
      const [before, after] = await Promise.all([
        api.jobs.list({ seriesId, to: job.fireAtUtc, order: "desc", limit: BEFORE }, { signal }),
        api.jobs.list({ seriesId, from: job.fireAtUtc, order: "asc", limit: AFTER + 1 }, { signal }),
      ]);
      return [...before.items.reverse(), ...after.items];
    },
    refetchInterval: 10_000,
  });
  return (
    <>
      <p>
        {inWords(job)}
        {job.maxOccurrences && `, ${job.maxOccurrences} times`}
        {job.endAtUtc && (
          <>
            , until <Instant at={job.endAtUtc} />
          </>
        )}
        .
      </p>
      {query.isPending ? (
        <Loading what="its neighbours" />
      ) : query.data ? (
        <ol className="series">
          {query.data.map((other) => (
            <li key={other.id} aria-current={other.id === job.id ? "true" : undefined}>
              <span className="number">#{other.occurrenceNumber}</span>
              {other.id === job.id ? (
                <span>
                  <Instant at={other.fireAtUtc} />
                </span>
              ) : (
                <Link href={`/jobs/${other.id}`}>
                  <Instant at={other.fireAtUtc} />
                </Link>
              )}
              <Status status={other.status} />
            </li>
          ))}
        </ol>
      ) : (
        <Failure error={query.error} again={() => void query.refetch()} />
      )}
    </>
  );
}
