// Bundles the tests of the models, as a page would be bundled, and runs them.

import { mkdtempSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "rolldown";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "console-"));
const file = join(folder, "models.test.mjs");
await build({
  input: here("models.test.ts"),
  platform: "node",
  resolve: { alias: { riverrun: here("../../client/src/index.ts") }, extensionAlias: { ".js": [".ts", ".js"] } },
  output: { file, sourcemap: "inline" },
  logLevel: "warn",
});
const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test-reporter=tap", file], { stdio: "inherit" });
rmSync(folder, { recursive: true });
process.exit(status ?? 1);
