// Bundles the tests, which are TypeScript, and has Node's own test runner run them: all, or those whose file names have
// the words that are given.

import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const words = process.argv.slice(2);
const files = readdirSync(`${root}tests`)
  .filter((name) => name.endsWith(".test.ts"))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)));
if (files.length === 0) throw new Error(`no test of that name: ${words.join(" ")}`);

rmSync(`${root}.build`, { recursive: true, force: true });
await build({
  entryPoints: files.map((name) => `${root}tests/${name}`),
  outdir: `${root}.build/tests`,
  bundle: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node18",
  outExtension: { ".js": ".mjs" },
});
const built = files.map((name) => `${root}.build/tests/${name.replace(/\.ts$/, ".mjs")}`);
// One file after the other: the machine that they measure is the same.
const { status } = spawnSync(process.execPath, ["--test", "--test-reporter=spec", ...built], { stdio: "inherit" });
process.exit(status ?? 1);
