// What is said instead of data: that it is on its way, that there is none, or why it cannot be had and what to do.

import { Button } from "@mantine/core";
import type { ReactNode } from "react";
import { ConnectionError, ProblemError } from "../api";

export function Loading({ what }: { what: string }) {
  return (
    <p className="notice" role="status">
      <span className="spinner" aria-hidden="true" /> Looking up {what} …
    </p>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="notice">
      <strong>{title}</strong>
      {children && <div className="muted">{children}</div>}
    </div>
  );
}

/** In place of a view that the token does not allow. */
export function NotAllowed({ scope, what }: { scope: "read" | "write"; what: string }) {
  return (
    <div className="notice">
      <h1 className="said">This token may not {what}</h1>
      <div className="muted">
        That needs a token with the scope <code>{scope}</code>. Ask an operator for one, then sign out and paste it.
      </div>
    </div>
  );
}

export function Failure({ error, again }: { error: unknown; again?: (() => void) | undefined }) {
  const { title, advice } = inWords(error);
  return (
    <div className="notice failure" role="alert">
      <strong>{title}</strong>
      <div className="muted">{advice}</div>
      {error instanceof ProblemError && error.instance && (
        <div className="muted">
          Request <code>{error.instance}</code>
        </div>
      )}
      {again && (
        <Button variant="default" size="xs" onClick={again}>
          Try again
        </Button>
      )}
    </div>
  );
}

export function inWords(error: unknown): { title: string; advice: string } {
  if (error instanceof ConnectionError)
    return {
      title: "The Scheduler does not answer",
      advice:
        "Check that it is running and that this machine reaches it. What is scheduled is not affected by this page.",
    };
  if (!(error instanceof ProblemError)) return { title: "Something went wrong in this page", advice: String(error) };
  switch (error.status) {
    case 401:
      return { title: "The token is no longer accepted", advice: "Sign out and paste another one." };
    case 403:
      return {
        title: "This token may not do that",
        advice: `${error.detail ?? ""} Ask an operator for one, then sign out and paste it.`,
      };
    case 404:
      return {
        title: "There is no such job",
        advice: "It never was, belongs to another tenant, or ended more than 30 days ago and was removed.",
      };
    case 409:
      return { title: "It is too late for that", advice: error.detail ?? "The job has changed in the meantime." };
    case 429:
      return { title: "Too many requests", advice: error.detail ?? "Wait a minute and try again." };
    case 503:
      return { title: "The store is not available", advice: error.detail ?? "Try again in a minute." };
    default:
      return {
        title: error.title ?? `The Scheduler answered ${error.status}`,
        advice: [error.detail, ...error.errors.map((wrong) => `${wrong.pointer} ${wrong.detail}`)].join(" "),
      };
  }
}
