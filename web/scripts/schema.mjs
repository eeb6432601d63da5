// Makes src/api/schema.d.ts of the description that the built program serves. With --check it only
// says whether the one in the repository is that. The generator has a lockfile of its own (codegen/):
// it needs a compiler with a programming interface, which the dashboard's own has not.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../tests/lib/server.mjs";

const web = new URL("../", import.meta.url).pathname;
const target = join(web, "src/api/schema.d.ts");
const generator = join(web, "codegen/node_modules/.bin/openapi-typescript");
if (!existsSync(generator)) execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: join(web, "codegen"), stdio: "inherit" });

const server = await startServer();
const folder = mkdtempSync(join(tmpdir(), "executor-schema-"));
try {
  const description = await server.get("/openapi.json");
  // The version is no part of the types.
  writeFileSync(join(folder, "openapi.json"), JSON.stringify(description));
  execFileSync(generator, [join(folder, "openapi.json"), "--empty-objects-unknown", "-o", join(folder, "schema.d.ts")], { stdio: ["ignore", "ignore", "inherit"] });
  const made = readFileSync(join(folder, "schema.d.ts"), "utf8");
  if (!process.argv.includes("--check")) writeFileSync(target, made);
  else if (!existsSync(target) || readFileSync(target, "utf8") !== made) {
    console.error("web/src/api/schema.d.ts is not what the program describes; run `cargo xtask web --schema`");
    process.exitCode = 1;
  }
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
