// How the console is built: into the Python package, with names that carry their content, and nothing from elsewhere.
// Paths are relative, so that one build serves below any prefix.

import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here("."),
  base: "./",
  plugins: [react()],
  // The client's own sources: one step less, and never an old build of it.
  resolve: { alias: { riverrun: here("../client/src/index.ts") } },
  build: {
    outDir: process.env.RIVERRUN_CONSOLE_OUT ?? here("../../src/riverrun/_console"),
    emptyOutDir: true,
    target: "es2022",
    manifest: "manifest.json", // what a test weighs
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the policy allows no data: scripts or styles
    reportCompressedSize: false,
    chunkSizeWarningLimit: 400,
  },
});
