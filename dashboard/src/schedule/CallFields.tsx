// What is called and with what, and how hard it is tried.

import { Button, NumberInput, Select, Textarea, TextInput } from "@mantine/core";
import type { ChangeEvent } from "react";
import { type Form, headerRow, METHODS, type Wrong } from "./form";

export interface FieldProps {
  form: Form;
  /** The change, and the API's names of the fields that it is about. */
  change: (part: Partial<Form>, ...fields: string[]) => void;
  wrong: Wrong;
}

/** What an input of a field needs that is called in the form as the API calls it. */
function texts({ form, change, wrong }: FieldProps) {
  return (field: "callbackUrl" | "name" | "payload" | "idempotencyKey" | "correlationId") => ({
    value: form[field],
    error: wrong[field],
    onChange: (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) =>
      change({ [field]: event.currentTarget.value }, field),
  });
}

export function CallFields(props: FieldProps) {
  const { form, change, wrong } = props;
  const text = texts(props);
  const { headers } = form;
  const set = (id: number, part: { name?: string; value?: string }) =>
    change({ headers: headers.map((row) => (row.id === id ? { ...row, ...part } : row)) }, "headers");
  return (
    <fieldset>
      <legend>What to call</legend>
      <div className="row">
        <Select
          label="Method"
          className="method"
          data={METHODS}
          value={form.method}
          allowDeselect={false}
          error={wrong.method}
          onChange={(method) => method && change({ method }, "method")}
        />
        <TextInput
          label="Callback URL"
          className="wide"
          required
          withAsterisk={false}
          description="The one field that is needed: http or https"
          inputWrapperOrder={["label", "input", "description", "error"]}
          type="url"
          placeholder="https://…"
          {...text("callbackUrl")}
        />
      </div>
      <TextInput label="Name" description="For people: it stands in the list and is found there." {...text("name")} />
      <Textarea
        label="Payload"
        description={
          form.method === "GET" || form.method === "HEAD"
            ? `Not sent with ${form.method}.`
            : "JSON, sent byte for byte as it stands here; 256 KiB at most. Nothing is sent when it is empty."
        }
        className="code"
        rows={5}
        spellCheck={false}
        {...text("payload")}
      />
      <div className="rows">
        <span className="label" id="headers-label">
          Headers
        </span>
        {headers.map((row, index) => (
          <div className="row" key={row.id}>
            <TextInput
              aria-label={`Name of header ${index + 1}`}
              placeholder="X-Name"
              value={row.name}
              error={wrong.headers !== undefined}
              onChange={(event) => set(row.id, { name: event.currentTarget.value })}
            />
            <TextInput
              aria-label={`Value of header ${index + 1}`}
              className="wide"
              value={row.value}
              onChange={(event) => set(row.id, { value: event.currentTarget.value })}
            />
            <Button
              variant="subtle"
              aria-label={`Remove header ${index + 1}`}
              onClick={() => change({ headers: headers.filter(({ id }) => id !== row.id) }, "headers")}
            >
              ✕
            </Button>
          </div>
        ))}
        {wrong.headers && (
          <p className="error" role="alert">
            {wrong.headers}
          </p>
        )}
        <Button variant="default" size="xs" onClick={() => change({ headers: [...headers, headerRow()] }, "headers")}>
          Add a header
        </Button>
      </div>
    </fieldset>
  );
}

export function TryFields(props: FieldProps) {
  const { form, change, wrong } = props;
  const text = texts(props);
  return (
    <details
      className="more-fields"
      open={["maxRetries", "timeoutSeconds", "idempotencyKey", "correlationId"].some((f) => wrong[f]) || undefined}
    >
      <summary>
        Tries and keys{" "}
        <span className="muted">
          {form.maxRetries} attempts, {form.timeoutSeconds} s each
        </span>
      </summary>
      <div className="row">
        <NumberInput
          label="Attempts"
          description="Before it is given up"
          min={1}
          max={100}
          clampBehavior="none"
          value={form.maxRetries}
          error={wrong.maxRetries}
          onChange={(maxRetries) => change({ maxRetries }, "maxRetries")}
        />
        <NumberInput
          label="Seconds for one"
          description="From look-up to last byte"
          min={1}
          max={60}
          clampBehavior="none"
          value={form.timeoutSeconds}
          error={wrong.timeoutSeconds}
          onChange={(timeoutSeconds) => change({ timeoutSeconds }, "timeoutSeconds")}
        />
      </div>
      <TextInput
        label="Idempotency key"
        description="The receiver recognises repeated calls by it. Made for you unless you give one."
        {...text("idempotencyKey")}
      />
      <TextInput label="Correlation id" description="Handed on to the receiver as it is." {...text("correlationId")} />
    </details>
  );
}
