// Web Crypto, wherever it is.

/** Node 18 has it, though not as a global. */
export async function webCrypto(): Promise<Crypto> {
  if (globalThis.crypto) return globalThis.crypto;
  // Named by a variable, so that bundlers for browsers do not look for it.
  const module = "node:crypto";
  const { webcrypto } = (await import(/* @vite-ignore */ module)) as { webcrypto: Crypto };
  return webcrypto;
}

/** 128 random bits; not `randomUUID`, which browsers have on pages of https alone. */
export async function randomKey(): Promise<string> {
  const bytes = (await webCrypto()).getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
