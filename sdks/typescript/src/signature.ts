// The signature that callbacks carry, for their receivers. On Web Crypto alone.

import { webCrypto } from "./crypto.js";

const encoder = new TextEncoder();

export interface SignatureToVerify {
  /** The tenant's signing secret, as it stands (`whsec_` included). */
  secret: string;
  /** The header `Contit-Signature`. `null` and `undefined`, as frameworks give for one that is missing, are not valid. */
  header: string | null | undefined;
  /** The body exactly as it came over the wire: not parsed and written again. Empty for `GET` and `HEAD`. */
  body: string | Uint8Array | ArrayBuffer;
  /** How far the time of signing may be from now, in seconds: 300 unless given. */
  toleranceSeconds?: number;
  /** Instead of the clock. */
  now?: Date;
}

/** Whether a callback was signed with this secret, recently. Two signatures, as while a secret is rotated: either may match. */
export async function verifySignature(toVerify: SignatureToVerify): Promise<boolean> {
  const { secret, header, body, toleranceSeconds = 300, now = new Date() } = toVerify;
  const parts = (header ?? "").split(",");
  const valuesOf = (name: string) => parts.filter((part) => part.startsWith(name)).map((part) => part.slice(name.length));
  const [time, ...moreTimes] = valuesOf("t=");
  if (time === undefined || moreTimes.length > 0 || !/^[0-9]{1,15}$/.test(time)) return false;
  const apart = Math.abs(Math.floor(now.getTime() / 1000) - Number(time));
  if (!(apart <= toleranceSeconds)) return false;

  const { subtle } = await webCrypto();
  const key = await subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const signed = joined(encoder.encode(`${time}.`), typeof body === "string" ? encoder.encode(body) : new Uint8Array(body));
  let valid = false;
  for (const signature of valuesOf("s=")) {
    if (!/^[0-9a-f]{64}$/.test(signature)) continue;
    // `verify` compares in constant time; all are compared, so that the time does not tell which one matched.
    const matches = await subtle.verify("HMAC", key, fromHex(signature), signed);
    valid = matches || valid;
  }
  return valid;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}
