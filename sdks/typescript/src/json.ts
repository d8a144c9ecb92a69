// How requests are written: absent members left out, and payloads whose bytes matter put in as they are.

/** JSON that is sent as it is written, where `JSON.parse` would lose digits or the order of keys: `payload: new RawJson(text)`. */
export class RawJson {
  readonly text: string;

  /** Throws a SyntaxError when the text is not JSON. */
  constructor(text: string) {
    JSON.parse(text);
    this.text = text;
  }
}

/** A create request as it goes over the wire. `null` means absent, but for `payload`, where it is a JSON value. */
export function writeRequest(request: object): string {
  const members = Object.entries(request)
    .filter(([name, value]) => value !== undefined && (value !== null || name === "payload"))
    .map(([name, value]) => [JSON.stringify(name), value instanceof RawJson ? value.text : JSON.stringify(value)])
    .filter(([, value]) => value !== undefined);
  return `{${members.map(([name, value]) => `${name}:${value}`).join(",")}}`;
}
