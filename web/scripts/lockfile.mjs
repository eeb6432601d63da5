// A lockfile made on one platform may lack the parts of others: npm leaves out what the machine does
// not need when there is something installed. Fails where one is missing.
import { readFileSync } from "node:fs";

const lock = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8"));
const names = new Set(Object.keys(lock.packages).map((path) => path.split("node_modules/").at(-1)));
const PLATFORMS = ["linux-x64-gnu", "linux-arm64-gnu", "linux-x64-musl", "linux-arm64-musl", "darwin-x64", "darwin-arm64", "win32-x64-msvc"];
const NATIVE = ["@rolldown/binding-", "@tailwindcss/oxide-", "lightningcss-"];
const missing = NATIVE.flatMap((name) => PLATFORMS.map((platform) => name + platform)).filter((name) => !names.has(name));
if (missing.length > 0) {
  console.error(`package-lock.json lacks ${missing.join(", ")}; remove node_modules and make it again with npm install --package-lock-only`);
  process.exit(1);
}
