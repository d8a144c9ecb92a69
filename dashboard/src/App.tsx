// The frame around every view, and which view a path is. Each has a path of its own, which the API answers with this page.

import { Button, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { Link, Route, Switch, useLocation } from "wouter";
import { JobPage } from "./jobs/JobPage";
import { JobsPage } from "./jobs/JobsPage";
import { OverviewPage } from "./overview/OverviewPage";
import { NewJobPage } from "./schedule/NewJobPage";
import { useSession } from "./session";
import { Empty } from "./ui/Notice";

export function App() {
  const { tenant, may, leave } = useSession();
  return (
    <>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="bar">
        <Link href="/" className="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <path d="M3 22h26M9 17v9M16 7v19M23 17v9" />
          </svg>
          Scheduler
        </Link>
        <nav aria-label="Views">
          <Place href="/" also="/jobs/">
            Jobs
          </Place>
          <Place href="/overview">Overview</Place>
          {may("write") && <Place href="/new">New job</Place>}
        </nav>
        <div className="who">
          <span className="tenant" title={`Tenant ${tenant}`}>
            <bdi>{tenant}</bdi>
            {!may("write") && <em> read only</em>}
            {!may("read") && <em> write only</em>}
          </span>
          <Scheme />
          <Button variant="subtle" size="compact-sm" onClick={leave}>
            Sign out
          </Button>
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        <Switch>
          <Route path="/" component={JobsPage} />
          <Route path="/jobs/:id">{({ id }) => <JobPage key={id} id={id} />}</Route>
          <Route path="/new" component={NewJobPage} />
          <Route path="/overview" component={OverviewPage} />
          <Route>
            <h1 className="visually-hidden">Nowhere</h1>
            <Empty title="There is nothing at this address">
              <Link href="/">All jobs</Link>
            </Empty>
          </Route>
        </Switch>
      </main>
    </>
  );
}

function Place({ href, also, children }: { href: string; also?: string; children: string }) {
  const [path] = useLocation();
  const here = path === href || (also !== undefined && path.startsWith(also));
  return (
    <Link href={href} aria-current={here ? "page" : undefined}>
      {children}
    </Link>
  );
}

function Scheme() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const other = scheme === "dark" ? "light" : "dark";
  return (
    <Button
      variant="subtle"
      size="compact-sm"
      onClick={() => setColorScheme(other)}
      aria-label={`Use the ${other} theme`}
    >
      {scheme === "dark" ? "☀" : "☾"}
    </Button>
  );
}
