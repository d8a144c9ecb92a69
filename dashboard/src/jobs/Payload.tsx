// What is sent: the payload, indented or byte for byte, and the headers.

import { Button, SegmentedControl } from "@mantine/core";
import { useMemo, useState } from "react";
import { indented, type Json } from "../json";
import { Copy } from "../ui/Copy";
import { Foreign } from "../ui/Foreign";

/** More than this at once makes a browser slow; the rest is a click away. */
const SHOWN = 20_000;

export function Payload({ payload }: { payload: Json | null }) {
  const [form, setForm] = useState("indented");
  const [all, setAll] = useState(false);
  const text = useMemo(() => (payload === null ? "" : form === "raw" ? payload : indented(payload)), [payload, form]);
  if (payload === null) return <p className="muted">None is sent.</p>;
  const bytes = new TextEncoder().encode(payload).length;
  const shown = all ? text : text.slice(0, SHOWN);
  return (
    <>
      <div className="toolbar">
        <SegmentedControl
          size="xs"
          aria-label="Form of the payload"
          data={[
            { value: "indented", label: "Indented" },
            { value: "raw", label: "As it is sent" },
          ]}
          value={form}
          onChange={setForm}
          transitionDuration={0}
        />
        <Copy text={payload}>Copy</Copy>
        <span className="muted">{bytes.toLocaleString("en")} bytes</span>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre className="payload" tabIndex={0}>
        <Lines text={shown} />
      </pre>
      {shown.length < text.length && (
        <Button variant="default" size="xs" onClick={() => setAll(true)}>
          Show all {text.length.toLocaleString("en")} characters
        </Button>
      )}
    </>
  );
}

/** Line breaks are the form's own; whatever else is hidden in the text is shown. */
function Lines({ text }: { text: string }) {
  return text.split("\n").map((line, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: a line is its place
    <span key={index} className="line">
      <Foreign text={line} />
      {"\n"}
    </span>
  ));
}

export function Headers({ headers }: { headers: Record<string, string> | undefined }) {
  const entries = Object.entries(headers ?? {});
  if (entries.length === 0) return <p className="muted">None beside the Scheduler's own.</p>;
  return (
    <dl className="fields">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt>
            <Foreign text={name} />
          </dt>
          <dd className="mono">
            <Foreign text={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
