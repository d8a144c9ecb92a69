// A new job: what to call, when, how hard to try; beside it, when the server says that it would fire.

import { Button } from "@mantine/core";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useLocation, useSearch } from "wouter";
import { ProblemError } from "../api";
import { useSession } from "../session";
import { Failure, Loading, NotAllowed } from "../ui/Notice";
import { useTitle } from "../ui/useTitle";
import { CallFields, TryFields } from "./CallFields";
import { byField, EMPTY, type Form, like, request, schedule, unsendable, type Wrong } from "./form";
import { Preview } from "./Preview";
import { useSettled } from "./useSettled";
import { WhenFields } from "./WhenFields";

/** So that a schedule can be looked at before it is known what will be called. */
const ANY_TARGET = "https://example.com/";
const OCCURRENCES = 100;

export function NewJobPage() {
  useTitle("New job");
  const { api, may } = useSession();
  const original = new URLSearchParams(useSearch()).get("like");
  const query = useQuery({
    queryKey: ["job", original, "like"],
    queryFn: ({ signal }) => api.jobInFull(original ?? "", signal),
    enabled: original !== null && may("write") && may("read"),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (!may("write")) return <NotAllowed scope="write" what="schedule jobs" />;
  if (query.isLoading || query.error)
    return (
      <>
        <h1>New job</h1>
        {query.error ? (
          <Failure error={query.error} again={() => void query.refetch()} />
        ) : (
          <Loading what="the job to duplicate" />
        )}
      </>
    );
  return <Editor key={original} first={query.data ? like(query.data.job, query.data.payload) : EMPTY} />;
}

function Editor({ first }: { first: Form }) {
  const { api } = useSession();
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const [form, setForm] = useState(first);
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const change = (part: Partial<Form>, ...fields: string[]) => {
    setForm((form) => ({ ...form, ...part }));
    setTouched((touched) => new Set([...touched, ...fields]));
    create.reset();
  };
  const create = useMutation({
    mutationFn: (form: Form) => api.jobs.create(request(form)),
    onSuccess: async (job) => {
      await queries.invalidateQueries();
      navigate(`/jobs/${job.id}`);
    },
  });

  const settled = useSettled(form, 300);
  const planned = useQuery({
    queryKey: ["preview", JSON.stringify(schedule(settled))],
    queryFn: ({ signal }) =>
      api.jobs.preview({ ...schedule(settled), callbackUrl: ANY_TARGET }, { count: OCCURRENCES, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });
  const stopped = unsendable(settled);
  const sendable = Object.keys(stopped).length === 0;
  const judged = useQuery({
    queryKey: ["judged", JSON.stringify(settled)],
    queryFn: ({ signal }) => api.jobs.preview(request(settled), { count: 1, signal }),
    enabled: sendable && touched.size > 0,
    placeholderData: keepPreviousData,
    gcTime: 0,
  });

  const asked = create.error !== null || create.isPending;
  const said = errorsOf(create.error ?? judged.error ?? planned.error);
  const shown = Object.fromEntries(
    Object.entries(said).filter(([field]) => asked || touched.has(field.split("/")[0] ?? field)),
  );
  const wrong: Wrong = { ...shown, ...stopped };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (Object.keys(unsendable(form)).length === 0) create.mutate(form);
  };
  const known = create.error instanceof ProblemError && create.error.errors.length > 0;
  return (
    <form onSubmit={submit} className="new-job" noValidate>
      <h1>New job</h1>
      <div className="columns">
        <div>
          <CallFields form={form} change={change} wrong={wrong} />
          <WhenFields form={form} change={change} wrong={wrong} />
          <TryFields form={form} change={change} wrong={wrong} />
          {known && (
            <p className="error" role="alert">
              {create.error instanceof ProblemError && create.error.detail} Each is marked above:{" "}
              {create.error instanceof ProblemError &&
                create.error.errors.map(({ pointer }) => pointer.slice(1)).join(", ")}
              .
            </p>
          )}
          {create.error && !known && <Failure error={create.error} />}
          <div className="buttons">
            <Button type="submit" size="md" loading={create.isPending} disabled={!sendable}>
              Schedule the job
            </Button>
          </div>
        </div>
        <aside aria-labelledby="preview" className="preview">
          <h2 id="preview">When it fires</h2>
          <Preview planned={planned.data} error={planned.error} busy={settled !== form || planned.isFetching} />
        </aside>
      </div>
    </form>
  );
}

function errorsOf(error: unknown): Wrong {
  return error instanceof ProblemError ? byField(error.errors) : {};
}
