// How it goes, in pictures: what is coming, what was delivered and what failed, how late, how slow, and where.

import { SegmentedControl } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "wouter";
import { navigate } from "wouter/use-browser-location";
import type { Stats, UpcomingJobs } from "../api";
import { useNow, useSession } from "../session";
import { Failure, Loading, NotAllowed } from "../ui/Notice";
import { useTitle } from "../ui/useTitle";
import { type Bar, Bars } from "./Bars";
import { buckets, byHourOrDay, share } from "./numbers";

const HOUR = 3_600_000;
const RANGES = { "24h": 24, "7d": 168, "30d": 720 } as const;
type Range = keyof typeof RANGES;
const REFRESH_MS = 30_000;

export function OverviewPage() {
  useTitle("Overview");
  const { api, may, ahead } = useSession();
  const given = new URLSearchParams(useSearch()).get("range") ?? "";
  const range: Range = given in RANGES ? (given as Range) : "24h";
  const enabled = may("read");
  const stats = useQuery({
    queryKey: ["stats", range],
    queryFn: ({ signal }) => {
      const to = Date.now() + ahead;
      return api.stats.history({ from: new Date(to - RANGES[range] * HOUR), to: new Date(to) }, { signal });
    },
    enabled,
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
  });
  const upcoming = useQuery({
    queryKey: ["upcoming"],
    queryFn: ({ signal }) => api.stats.upcoming({ signal }),
    enabled,
    refetchInterval: REFRESH_MS,
  });
  if (!enabled) return <NotAllowed scope="read" what="see how it goes" />;

  return (
    <>
      <div className="page-head">
        <h1>Overview</h1>
        <SegmentedControl
          aria-label="Looking back"
          size="xs"
          transitionDuration={0}
          data={[
            { value: "24h", label: "Last 24 hours" },
            { value: "7d", label: "7 days" },
            { value: "30d", label: "30 days" },
          ]}
          value={range}
          onChange={(range) => navigate(range === "24h" ? "/overview" : `/overview?range=${range}`, { replace: true })}
        />
      </div>
      {stats.isPending ? (
        <Loading what="what happened" />
      ) : stats.data ? (
        <Past stats={stats.data} range={range} />
      ) : (
        <Failure error={stats.error} again={() => void stats.refetch()} />
      )}
      {upcoming.isPending ? (
        <Loading what="what is coming" />
      ) : upcoming.data ? (
        <Coming upcoming={upcoming.data} />
      ) : (
        <Failure error={upcoming.error} again={() => void upcoming.refetch()} />
      )}
    </>
  );
}

function Past({ stats, range }: { stats: Stats; range: Range }) {
  const sum = (name: "created" | "delivered" | "failed" | "deadLettered") =>
    stats.hours.reduce((sum, hour) => sum + hour[name], 0);
  const [delivered, failed, given] = [sum("delivered"), sum("failed"), sum("deadLettered")];
  const spans = byHourOrDay(stats.hours, range === "24h");
  const bars: Bar[] = spans.map(({ start, label, delivered, failed }) => ({
    key: start,
    label,
    parts: [
      { kind: "good", name: "delivered", value: delivered },
      { kind: "bad", name: "failed", value: failed },
    ],
  }));
  return (
    <>
      <dl className="figures">
        <Figure name="Delivered" value={delivered} />
        <Figure name="Attempts that failed" value={failed} note={share(failed, delivered + failed)} />
        <Figure
          name="Given up"
          value={given}
          href={`/?status=DeadLetter${range === "30d" ? "" : `&range=past-${range}`}`}
        />
        <Figure name="Created" value={sum("created")} />
      </dl>
      <div className="pictures">
        <Picture title={range === "24h" ? "Attempts by hour" : "Attempts by day"} wide>
          <Bars bars={bars} unit="attempts" empty="Nothing was called in this time." size="wide" />
        </Picture>
        <Picture title="How late they were taken up">
          <Bars bars={buckets(stats.latenessSeconds, "late")} unit="attempts" empty="Nothing to measure yet." />
        </Picture>
        <Picture title="How long receivers took">
          <Bars bars={buckets(stats.answerSeconds, "answer")} unit="attempts" empty="Nothing to measure yet." />
        </Picture>
        <Picture title="Where attempts failed">
          <Hosts hosts={stats.failingHosts} />
        </Picture>
      </div>
    </>
  );
}

function Coming({ upcoming }: { upcoming: UpcomingJobs }) {
  const now = useNow();
  const total = upcoming.hours.reduce((sum, { count }) => sum + count, 0);
  const bars: Bar[] = upcoming.hours.map(({ hourUtc, count }) => ({
    key: hourUtc,
    label: hour(hourUtc),
    now: Date.parse(hourUtc) <= now && now < Date.parse(hourUtc) + HOUR,
    parts: [{ kind: "coming", name: "planned", value: count }],
  }));
  return (
    <div className="pictures">
      <Picture
        title={`Due over the next 24 hours: ${total.toLocaleString("en")}${upcoming.exact ? "" : " or more"}`}
        wide
      >
        <Bars bars={bars} unit="jobs" size="wide" empty="Nothing is planned for the next 24 hours." />
        <p className="muted">
          Occurrences of a series that are not its next one are not counted yet.{" "}
          <Link href="/?range=next-24h&order=asc">See them</Link>
        </p>
      </Picture>
    </div>
  );
}

function hour(instant: string): string {
  return new Date(instant).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

function Figure({ name, value, note, href }: { name: string; value: number; note?: string; href?: string }) {
  const number = value.toLocaleString("en");
  return (
    <div className="figure">
      <dt>{name}</dt>
      <dd>
        {href && value > 0 ? <Link href={href}>{number}</Link> : number}
        {note && <span className="muted"> {note}</span>}
      </dd>
    </div>
  );
}

function Picture({ title, wide, children }: { title: string; wide?: boolean; children: React.ReactNode }) {
  return (
    <section className={wide ? "picture wide" : "picture"}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Hosts({ hosts }: { hosts: Stats["failingHosts"] }) {
  const most = Math.max(...hosts.map(({ failed }) => failed), 1);
  if (hosts.length === 0) return <p className="muted">None failed in this time.</p>;
  return (
    <ol className="hosts">
      {hosts.map(({ host, failed }) => (
        <li key={host}>
          <bdi>{host}</bdi>
          <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
            <rect width={(failed / most) * 100} height="6" rx="1" />
          </svg>
          <b>{failed.toLocaleString("en")}</b>
        </li>
      ))}
    </ol>
  );
}
