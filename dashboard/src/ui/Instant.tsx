// An instant: local time, UTC on hover, and how far away it is.

import { useNow } from "../session";
import { local, relative, utc } from "../time";

export function Instant({ at, withUtc = false }: { at: string; withUtc?: boolean }) {
  const now = useNow();
  const distance = relative(at, now);
  return (
    <time dateTime={at} title={utc(at)} className="instant">
      <span>{local(at, now)}</span>
      {distance && <span className="muted"> {distance}</span>}
      {withUtc && <span className="muted utc"> {utc(at)}</span>}
    </time>
  );
}
