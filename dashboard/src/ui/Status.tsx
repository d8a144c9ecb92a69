// A job's status, as a mark and a word: never as a colour alone.

import type { JobStatus } from "../api";

export const STATUSES: readonly JobStatus[] = ["Pending", "Firing", "Done", "Cancelled", "DeadLetter"];

export const STATUS_WORDS: Record<JobStatus, string> = {
  Pending: "Pending",
  Firing: "Firing",
  Done: "Done",
  Cancelled: "Cancelled",
  DeadLetter: "Dead letter",
};

const MARKS: Record<JobStatus, string> = {
  Pending: "M8 4v4l2.5 1.5M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z",
  Firing: "M9 1.5 3.5 9H8l-1 5.5L12.500 7H8z",
  Done: "m3 8.500 3.500 3.500L13 4.500",
  Cancelled: "M3.800 3.800l8.400 8.400M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z",
  DeadLetter: "M8 4.500v4M8 11.300v.2M8 1.500 15 14H1Z",
};

export function Status({ status }: { status: JobStatus }) {
  return (
    <span className={`status status-${status}`}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <path d={MARKS[status]} />
      </svg>
      {STATUS_WORDS[status]}
    </span>
  );
}

/** One mark for each attempt that may be made: failed, answered, and those that are left. */
export function Attempts({ made, most, status }: { made: number; most: number; status: JobStatus }) {
  const shown = Math.min(most, 8);
  const label = `${made} of ${most} attempts made`;
  const last = Math.min(made, shown) - 1;
  return (
    <span className="pips" title={label}>
      <span className="pip-marks" aria-hidden="true">
        {Array.from({ length: shown }, (_, index) => {
          const kind =
            index > last
              ? "left"
              : index === last && status === "Done"
                ? "good"
                : index === last && status === "Firing"
                  ? "now"
                  : "bad";
          // biome-ignore lint/suspicious/noArrayIndexKey: a pip is its place
          return <i key={index} className={`pip pip-${kind}`} />;
        })}
      </span>
      <span className="pip-count">
        {made}/{most}
      </span>
      <span className="visually-hidden"> attempts made</span>
    </span>
  );
}
