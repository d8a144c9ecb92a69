import { readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { constants, gzipSync } from "node:zlib";
import { defineConfig } from "vite";

const page = fileURLToPath(new URL("dist/", import.meta.url));

/** A gzipped copy beside each file, which is what the API embeds. Every browser takes gzip, also without TLS. */
function compressed() {
  return {
    name: "compressed",
    apply: "build",
    async closeBundle() {
      const folder = `${page}assets/`;
      for (const name of await readdir(folder)) {
        const bytes = await readFile(folder + name);
        await writeFile(`${folder}${name}.gz`, gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }));
      }
    },
  };
}

export default defineConfig({
  plugins: [compressed()],
  resolve: {
    alias: { "@contit/scheduler": fileURLToPath(new URL("../sdks/typescript/src/index.ts", import.meta.url)) },
  },
  // The SDK's own TypeScript settings are for Node; what is bundled here follows this project's.
  esbuild: { jsx: "automatic", legalComments: "none", tsconfigRaw: { compilerOptions: { target: "ES2022" } } },
  build: {
    outDir: page,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    // It is one page: 180 KB when compressed, which a test of the API holds to its limit.
    chunkSizeWarningLimit: 700,
    rollupOptions: {
      // "use client" is for servers that render; here is none.
      onwarn: (warning, warn) => warning.code === "MODULE_LEVEL_DIRECTIVE" || warn(warning),
    },
  },
  server: {
    fs: { allow: [".."] },
    port: 5173,
    proxy: Object.fromEntries(
      ["/scheduled-jobs", "/stats", "/whoami", "/openapi.json"].map((path) => [path, "http://127.0.0.1:8080"]),
    ),
  },
});
