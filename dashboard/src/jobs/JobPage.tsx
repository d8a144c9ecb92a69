// One job: how it stands, what happens next, every attempt, every field.

import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { type Job, ProblemError } from "../api";
import { useSession } from "../session";
import { Copy } from "../ui/Copy";
import { Foreign, visible } from "../ui/Foreign";
import { Failure, Loading, NotAllowed } from "../ui/Notice";
import { Status } from "../ui/Status";
import { useTitle } from "../ui/useTitle";
import { Actions } from "./Actions";
import { AttemptLog } from "./AttemptLog";
import { curl } from "./curl";
import { Fields } from "./Fields";
import { Next } from "./Next";
import { Headers, Payload } from "./Payload";
import { Series } from "./Series";

export function JobPage({ id }: { id: string }) {
  const { api, may } = useSession();
  const query = useQuery({
    queryKey: ["job", id],
    queryFn: ({ signal }) => api.jobInFull(id, signal),
    enabled: may("read"),
    refetchInterval: ({ state }) => (isOver(state.data?.job) || gone(state.error) ? false : 5_000),
  });
  const name = query.data?.job.name;
  useTitle(name ? visible(name) : `Job ${id.slice(0, 8)}`);

  if (!may("read")) return <NotAllowed scope="read" what="see jobs" />;
  if (!query.data)
    return (
      <>
        <h1 className="visually-hidden">Job {id}</h1>
        {query.isPending ? (
          <Loading what="the job" />
        ) : (
          <Failure error={query.error} again={() => void query.refetch()} />
        )}
      </>
    );
  const { job, payload } = query.data;
  return (
    <article className="job">
      <nav aria-label="Where this is" className="trail">
        <Link href="/">Jobs</Link> / <span className="mono">{job.id.slice(0, 8)}</span>
      </nav>
      <header className="job-head">
        <div>
          <h1>{job.name ? <Foreign text={job.name} /> : <span className="mono">{job.id}</span>}</h1>
          <p className="target">
            <Status status={job.status} /> <b>{job.method}</b> <Foreign text={job.callbackUrl} />
          </p>
        </div>
        <div className="buttons">
          <Actions job={job} />
          <Copy text={job.id}>Copy id</Copy>
          <Copy text={curl(job, payload)}>Copy as curl</Copy>
        </div>
      </header>
      {query.error && <Failure error={query.error} again={() => void query.refetch()} />}
      <Next job={job} />
      <div className="columns">
        <div>
          <section aria-labelledby="attempts">
            <h2 id="attempts">Attempts</h2>
            <AttemptLog job={job} />
          </section>
          <section aria-labelledby="payload">
            <h2 id="payload">Payload</h2>
            <Payload payload={payload} />
          </section>
          <section aria-labelledby="headers">
            <h2 id="headers">Headers</h2>
            <Headers headers={job.headers} />
          </section>
        </div>
        <div>
          {job.seriesId && (
            <section aria-labelledby="series">
              <h2 id="series">Series</h2>
              <Series job={job} seriesId={job.seriesId} />
            </section>
          )}
          <section aria-labelledby="fields">
            <h2 id="fields">Fields</h2>
            <Fields job={job} />
          </section>
        </div>
      </div>
    </article>
  );
}

function isOver(job: Job | undefined): boolean {
  return job?.status === "Done" || job?.status === "Cancelled";
}

function gone(error: unknown): boolean {
  return error instanceof ProblemError && error.status === 404;
}
