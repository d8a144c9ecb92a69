// Many dead letters at once. First it counts them, then it asks, then it retries them call by call.

import { Button, Modal } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useSession } from "../session";
import { Failure } from "../ui/Notice";
import { bounds, type Filters, RANGES } from "./filters";

export function BulkRetry({ filters }: { filters: Filters }) {
  const { api, ahead } = useSession();
  const queries = useQueryClient();
  const [range, setRange] = useState<{ from: string | null; to: string | null } | null>(null);
  const count = useMutation({
    mutationFn: (range: { from: string | null; to: string | null }) =>
      api.jobs.retryAllDeadLetters({ ...range, dryRun: true }),
  });
  const retry = useMutation({
    mutationFn: (range: { from: string | null; to: string | null }) => api.jobs.retryAllDeadLetters(range),
    onSettled: () => queries.invalidateQueries(),
  });
  const open = () => {
    const chosen = bounds(filters, Date.now() + ahead);
    setRange(chosen);
    retry.reset();
    count.mutate(chosen);
  };
  const when = filters.range === "custom" ? "within the chosen instants" : RANGES[filters.range]?.label.toLowerCase();
  const matched = count.data?.matched;
  return (
    <div className="bulk">
      <Button variant="default" size="xs" onClick={open}>
        Retry all dead letters …
      </Button>
      <Modal
        opened={range !== null}
        onClose={() => setRange(null)}
        title="Retry all dead letters"
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {count.error || retry.error ? (
          <Failure error={count.error ?? retry.error} />
        ) : retry.data ? (
          <p role="status">
            {retry.data.retried} of {retry.data.matched} are due again, with all their attempts before them.
          </p>
        ) : matched === undefined ? (
          <p role="status">Counting …</p>
        ) : (
          <p>
            <strong>{matched.toLocaleString("en")}</strong> dead letters (planned: {when}), whatever their names. They
            become due at once, and their receivers get the same idempotency keys as before.
          </p>
        )}
        <div className="buttons">
          <Button variant="default" onClick={() => setRange(null)}>
            {retry.data ? "Close" : "Keep them as they are"}
          </Button>
          {!retry.data && (
            <Button disabled={!matched} loading={retry.isPending} onClick={() => range && retry.mutate(range)}>
              Retry {matched ?? ""}
            </Button>
          )}
        </div>
      </Modal>
    </div>
  );
}
