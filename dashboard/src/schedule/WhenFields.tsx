// The builder: once, every so often, or at times of the day on days of the week.

import { Button, NumberInput, SegmentedControl, Select, TextInput } from "@mantine/core";
import { fromLocalInput, localZone, toLocalInput } from "../time";
import type { FieldProps } from "./CallFields";
import type { End, Kind, Start, Unit } from "./form";

const WEEK = [
  [1, "Mon", "Monday"],
  [2, "Tue", "Tuesday"],
  [3, "Wed", "Wednesday"],
  [4, "Thu", "Thursday"],
  [5, "Fri", "Friday"],
  [6, "Sat", "Saturday"],
  [0, "Sun", "Sunday"],
] as const;
const ZONES = [...new Set(["UTC", ...Intl.supportedValuesOf("timeZone")])];
const UNITS: Unit[] = ["seconds", "minutes", "hours", "days"];

export function WhenFields(props: FieldProps) {
  const { form, change } = props;
  return (
    <fieldset>
      <legend>When</legend>
      <SegmentedControl
        aria-label="Kind of schedule"
        fullWidth
        transitionDuration={0}
        data={[
          { value: "once", label: "Once" },
          { value: "interval", label: "Every …" },
          { value: "calendar", label: "On a calendar" },
        ]}
        value={form.kind}
        onChange={(kind) =>
          change({ kind: kind as Kind, start: kind === "once" ? "in" : "now" }, "delaySeconds", "fireAtUtc")
        }
      />
      {form.kind === "interval" && <Every {...props} />}
      {form.kind === "calendar" && <Calendar {...props} />}
      <StartFields {...props} />
      {form.kind !== "once" && <EndFields {...props} />}
    </fieldset>
  );
}

function Every({ form, change, wrong }: FieldProps) {
  return (
    <div className="row">
      <NumberInput
        label="Every"
        min={1}
        clampBehavior="none"
        value={form.every}
        error={wrong.recurrenceSeconds}
        onChange={(every) => change({ every }, "recurrenceSeconds")}
      />
      <UnitSelect
        label="Unit of the interval"
        value={form.everyUnit}
        onChange={(everyUnit) => change({ everyUnit }, "recurrenceSeconds")}
      />
    </div>
  );
}

function Calendar({ form, change, wrong }: FieldProps) {
  const { times, days } = form;
  const setTimes = (times: string[]) => change({ times }, "scheduleTimes");
  const setDays = (days: number[]) => change({ days: days.length === 7 ? [] : days }, "scheduleDaysOfWeek");
  const on = (day: number) => days.length === 0 || days.includes(day);
  const toggle = (day: number) => {
    const all = WEEK.map(([day]) => day as number);
    const chosen = days.length === 0 ? all : days;
    setDays(chosen.includes(day) ? chosen.filter((other) => other !== day) : [...chosen, day]);
  };
  return (
    <>
      <div className="rows">
        <span className="label">At</span>
        <div className="times">
          {times.map((time, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a time is edited at its place
            <div className="time" key={index}>
              <TextInput
                type="time"
                aria-label={`Time ${index + 1}`}
                value={time}
                error={wrong[`scheduleTimes/${index}`]}
                onChange={(event) =>
                  setTimes(times.map((other, at) => (at === index ? event.currentTarget.value : other)))
                }
              />
              {times.length > 1 && (
                <Button
                  variant="subtle"
                  size="compact-sm"
                  aria-label={`Remove time ${index + 1}`}
                  onClick={() => setTimes(times.filter((_, at) => at !== index))}
                >
                  ✕
                </Button>
              )}
            </div>
          ))}
          <Button
            variant="default"
            size="xs"
            disabled={times.length >= 96}
            onClick={() => setTimes([...times, later(times.at(-1))])}
          >
            Add a time
          </Button>
        </div>
        {wrong.scheduleTimes && (
          <p className="error" role="alert">
            {wrong.scheduleTimes}
          </p>
        )}
      </div>
      <fieldset className="days">
        <legend>On</legend>
        {WEEK.map(([day, short, long]) => (
          <button
            type="button"
            key={day}
            className="day"
            title={long}
            aria-pressed={on(day)}
            onClick={() => toggle(day)}
          >
            {short}
          </button>
        ))}
        <Button variant="subtle" size="compact-sm" onClick={() => setDays([])}>
          Every day
        </Button>
        <Button variant="subtle" size="compact-sm" onClick={() => setDays([1, 2, 3, 4, 5])}>
          Weekdays
        </Button>
      </fieldset>
      {wrong.scheduleDaysOfWeek && <p className="error">{wrong.scheduleDaysOfWeek}</p>}
      <Select
        label="Time zone"
        description={`The times are those of clocks there. This browser is in ${localZone}.`}
        data={ZONES}
        searchable
        limit={60}
        allowDeselect={false}
        nothingFoundMessage="No such zone"
        value={form.timeZone}
        error={wrong.timeZone}
        onChange={(timeZone) => timeZone && change({ timeZone }, "timeZone")}
      />
    </>
  );
}

function StartFields({ form, change, wrong }: FieldProps) {
  const once = form.kind === "once";
  return (
    <div className="rows">
      <Choice
        label={once ? "Fire" : form.kind === "calendar" ? "Not before" : "First"}
        value={form.start}
        onChange={(start) => change({ start: start as Start }, "delaySeconds", "fireAtUtc")}
        data={[
          { value: "now", label: form.kind === "calendar" ? "The next such time" : "At once" },
          { value: "in", label: "In …" },
          { value: "at", label: "At …" },
        ]}
      />
      {form.start === "in" && (
        <div className="row">
          <NumberInput
            label="In"
            min={0}
            clampBehavior="none"
            value={form.delay}
            error={wrong.delaySeconds}
            onChange={(delay) => change({ delay }, "delaySeconds")}
          />
          <UnitSelect
            label="Unit of the delay"
            value={form.delayUnit}
            onChange={(delayUnit) => change({ delayUnit }, "delaySeconds")}
          />
        </div>
      )}
      {form.start === "at" && (
        <InstantInput
          label="At"
          value={form.startAt}
          error={wrong.fireAtUtc}
          onChange={(startAt) => change({ startAt }, "fireAtUtc")}
        />
      )}
    </div>
  );
}

function EndFields({ form, change, wrong }: FieldProps) {
  return (
    <div className="rows">
      <Choice
        label="Ends"
        value={form.end}
        onChange={(end) => change({ end: end as End }, "endAtUtc", "maxOccurrences")}
        data={[
          { value: "never", label: "When cancelled" },
          { value: "at", label: "At …" },
          { value: "count", label: "After …" },
        ]}
      />
      {form.end === "at" && (
        <InstantInput
          label="Last instant"
          value={form.endAt}
          error={wrong.endAtUtc}
          onChange={(endAt) => change({ endAt }, "endAtUtc")}
        />
      )}
      {form.end === "count" && (
        <NumberInput
          label="Occurrences"
          min={1}
          clampBehavior="none"
          value={form.count}
          error={wrong.maxOccurrences}
          onChange={(count) => change({ count }, "maxOccurrences")}
        />
      )}
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  data: { value: string; label: string }[];
  onChange: (value: string) => void;
}

function Choice({ label, value, data, onChange }: ChoiceProps) {
  return (
    <div className="choice">
      <span className="label" aria-hidden="true">
        {label}
      </span>
      <SegmentedControl
        aria-label={label}
        size="xs"
        transitionDuration={0}
        data={data}
        value={value}
        onChange={onChange}
      />
    </div>
  );
}

function UnitSelect({ label, value, onChange }: { label: string; value: Unit; onChange: (unit: Unit) => void }) {
  return (
    <Select
      aria-label={label}
      className="unit"
      data={UNITS}
      value={value}
      allowDeselect={false}
      onChange={(unit) => unit && onChange(unit as Unit)}
    />
  );
}

interface InstantInputProps {
  label: string;
  value: string;
  error: string | undefined;
  onChange: (instant: string) => void;
}

function InstantInput({ label, value, error, onChange }: InstantInputProps) {
  return (
    <TextInput
      type="datetime-local"
      step={1}
      label={label}
      description={value ? `${localZone} time; that is ${value.replace(".000Z", "Z")}` : `${localZone} time`}
      value={value ? toLocalInput(value) : ""}
      error={error}
      onChange={(event) => onChange(fromLocalInput(event.currentTarget.value) ?? "")}
    />
  );
}

/** An hour after the last one, as a start. */
function later(time: string | undefined): string {
  const [hour = "8", minute = "00"] = (time ?? "").split(":");
  return `${String((Number(hour) + 1) % 24).padStart(2, "0")}:${minute || "00"}`;
}
