// When two JSON values count as equal: see sdks/conformance/README.md.

import { isDeepStrictEqual } from "node:util";

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const INSTANT = /Utc$/;

export function isSame(one: Json, other: Json): boolean {
  return isDeepStrictEqual(one, other);
}

/** The value with its instants as such; but those in payloads stay text. */
export function withInstants(value: Json, moreNames: string[] = []): Json {
  if (Array.isArray(value)) return value.map((item) => withInstants(item, moreNames));
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, inner]): [string, Json] => {
    const isInstant = typeof inner === "string" && (INSTANT.test(name) || moreNames.includes(name));
    if (isInstant) return [name, `instant ${new Date(inner).getTime()}`];
    return [name, name === "payload" ? inner : withInstants(inner, moreNames)];
  });
  return Object.fromEntries(members);
}

/** Without the members that are `null`: an answer may have them or not. */
export function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(members.map(([name, inner]) => [name, withoutNulls(inner)]));
}
