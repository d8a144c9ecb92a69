// What can be done to a job. Only what its status and the token allow is there at all.

import { Button, Modal } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import type { Job } from "../api";
import { useSession } from "../session";
import { inWords } from "../ui/Notice";

export function Actions({ job }: { job: Job }) {
  const { api, may } = useSession();
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  const settled = () => queries.invalidateQueries();
  const cancel = useMutation({
    mutationFn: () => api.jobs.cancel(job.id),
    onSettled: () => {
      setAsking(false);
      return settled();
    },
  });
  const runNow = useMutation({ mutationFn: () => api.jobs.runNow(job.id), onSettled: settled });
  const retry = useMutation({ mutationFn: () => api.jobs.retry(job.id), onSettled: settled });
  if (!may("write")) return null;

  const error = [cancel, runNow, retry].find((mutation) => mutation.error)?.error;
  const done = runNow.isSuccess ? "Due at once" : retry.isSuccess ? "Due again at once" : "";
  return (
    <>
      {job.status === "DeadLetter" && (
        <Button size="xs" loading={retry.isPending} onClick={() => retry.mutate()}>
          Retry
        </Button>
      )}
      {job.status === "Pending" && (
        <>
          <Button size="xs" loading={runNow.isPending} onClick={() => runNow.mutate()}>
            Run now
          </Button>
          <Button size="xs" variant="default" onClick={() => setAsking(true)}>
            Cancel …
          </Button>
        </>
      )}
      <Link href={`/new?like=${job.id}`} className="button-link">
        Duplicate
      </Link>
      {error ? (
        <span className="error" role="alert">
          {inWords(error).title}. {inWords(error).advice}
        </span>
      ) : (
        <span className="visually-hidden" role="status">
          {done}
        </span>
      )}
      <Modal
        opened={asking}
        onClose={() => setAsking(false)}
        title={job.seriesId ? "Cancel this occurrence and end its series?" : "Cancel this job?"}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <p>
          {job.seriesId
            ? "It will not be called, and no occurrence comes after it. What was delivered stays in the history."
            : "It will not be called. It stays in the history for 30 days."}{" "}
          This cannot be undone; a duplicate can be scheduled.
        </p>
        <div className="buttons">
          <Button variant="default" onClick={() => setAsking(false)}>
            Keep it
          </Button>
          <Button color="red" loading={cancel.isPending} onClick={() => cancel.mutate()}>
            {job.seriesId ? "Cancel and end the series" : "Cancel the job"}
          </Button>
        </div>
      </Modal>
    </>
  );
}
