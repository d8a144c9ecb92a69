// JSON as text: where digits, the order of keys and the depth matter, and parsing into objects would lose or choke on them.
// Nothing here recurses: a payload may be nested as deeply as its sender likes.

/** A piece of valid JSON, exactly as it was received. */
export type Json = string;

const STRING = /"(?:[^"\\]|\\.)*"/y;
const TOKEN = /\s+|"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g;
/** Deeper than this, lines are not indented further: they would be nothing but space. */
const DEEPEST_INDENT = 30;

/** The value of a member of an object, given as text. `null` when there is no such member. */
export function member(object: Json, name: string): Json | null {
  let depth = 0;
  let from = -1;
  let key: string | null = null;
  for (let at = 0; at < object.length; at++) {
    const character = object[at];
    if (character === '"') {
      STRING.lastIndex = at;
      const text = STRING.exec(object)?.[0];
      if (text === undefined) return null;
      if (depth === 1 && key === null) key = JSON.parse(text) as string;
      at += text.length - 1;
    } else if (character === ":" && depth === 1 && from < 0) {
      from = at + 1;
    } else if (depth === 1 && (character === "," || character === "}")) {
      if (key === name) return object.slice(from, at).trim();
      key = null;
      from = -1;
      if (character === "}") return null;
    } else if (character === "{" || character === "[") {
      depth++;
    } else if (character === "}" || character === "]") {
      depth--;
    }
  }
  return null;
}

/** The same JSON over several lines; only the space between its parts changes. */
export function indented(json: Json): string {
  let out = "";
  let depth = 0;
  let open = false;
  const line = () => `\n${"  ".repeat(Math.min(depth, DEEPEST_INDENT))}`;
  for (const [token] of json.matchAll(TOKEN)) {
    if (/^\s/.test(token)) continue;
    const closes = token === "}" || token === "]";
    if (closes) depth--;
    if (open !== closes && (open || closes)) out += line();
    open = token === "{" || token === "[";
    if (open) depth++;
    out += token;
    if (token === ":") out += " ";
    if (token === ",") out += line();
  }
  return out;
}

/** What is wrong with the text as JSON, or null. */
export function wrongWith(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : "This is not JSON.";
  }
}
