// The token that the user pasted, what it may do, and the clock of the server. Kept for this tab alone, never in a URL.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import { type Api, connect, ProblemError, type Scope } from "./api";
import { SignIn } from "./SignIn";
import { Failure, Loading } from "./ui/Notice";

const KEPT_AS = "scheduler-token";

interface Session {
  api: Api;
  tenant: string;
  /** Whether the token may do this; what it may not is not offered. */
  may: (scope: Scope) => boolean;
  /** The server's time less the browser's, in milliseconds: everything is due by the server's. */
  ahead: number;
  leave: () => void;
}

const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("no session here");
  return session;
}

/** The server's time, told again each second. */
export function useNow(): number {
  const { ahead } = useSession();
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now + ahead;
}

/** Asks for a token first, and again when it no longer holds. */
export function WithSession({ children }: { children: ReactNode }) {
  const [token, setToken] = useState(() => sessionStorage.getItem(KEPT_AS));
  const queries = useQueryClient();
  const api = useMemo(() => (token === null ? null : connect(token)), [token]);
  const whoami = useQuery({
    queryKey: ["whoami", token],
    queryFn: async ({ signal }) => {
      const asked = Date.now();
      if (api === null) throw new Error("no token");
      const bearer = await api.whoami(signal);
      return { ...bearer, ahead: Date.parse(bearer.nowUtc) - (asked + Date.now()) / 2 };
    },
    enabled: api !== null,
    refetchInterval: 10_000,
  });

  const keep = (text: string | null) => {
    if (text === null) sessionStorage.removeItem(KEPT_AS);
    else sessionStorage.setItem(KEPT_AS, text);
    queries.clear();
    setToken(text);
  };
  const { data, error } = whoami;
  const session = useMemo(
    () =>
      api &&
      data && {
        api,
        tenant: data.tenant,
        may: (scope: Scope) => data.scopes.includes(scope),
        ahead: Math.abs(data.ahead) < 2_000 ? 0 : data.ahead,
      },
    [api, data],
  );

  const refused = error instanceof ProblemError && error.status === 401;
  if (token === null || refused) return <SignIn refused={refused} onToken={keep} />;
  if (session)
    return (
      <SessionContext.Provider value={{ ...session, leave: () => keep(null) }}>{children}</SessionContext.Provider>
    );
  if (error)
    return (
      <main className="alone">
        <Failure error={error} again={() => void whoami.refetch()} />
      </main>
    );
  return (
    <main className="alone">
      <Loading what="your token" />
    </main>
  );
}
