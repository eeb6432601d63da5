// Runs the browser's tests against the built program: node tests/run.mjs [part of a name]
import { readdirSync } from "node:fs";
import { startBrowser } from "./lib/browser.mjs";
import { startServer } from "./lib/server.mjs";
import { startUpstream } from "./lib/upstream.mjs";

const filter = process.argv[2] ?? "";
const folder = new URL("./cases/", import.meta.url);
const cases = [];
for (const file of readdirSync(folder).filter((name) => name.endsWith(".mjs")).sort()) {
  const module = await import(new URL(file, folder));
  for (const [name, run] of Object.entries(module.default)) cases.push({ name: `${file.replace(".mjs", "")}: ${name}`, run, isFresh: module.fresh === true });
}

/** A server with the counting API connected, shared by the cases that do not need one of their own. */
async function connected(upstream) {
  const server = await startServer();
  await server.post("/sources", { url: `${upstream.address}/openapi.json`, name: "shop", allowPrivate: true });
  return server;
}

const browser = await startBrowser();
const failed = [];
let ran = 0;
const begin = Date.now();
for (const each of cases.filter((test) => test.name.includes(filter))) {
  const upstream = await startUpstream();
  const server = each.isFresh ? await startServer() : await connected(upstream);
  const start = Date.now();
  try {
    await each.run({ browser, server, upstream });
    console.log(`ok    ${each.name} (${Date.now() - start} ms)`);
  } catch (error) {
    failed.push(each.name);
    console.log(`FAIL  ${each.name}\n${error.stack}`);
    let shot = 0;
    for (const context of browser.contexts())
      for (const page of context.pages()) {
        console.log(`  at ${page.url()}`);
        if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/fail-${failed.length}-${++shot}.png` }).catch(() => undefined);
      }
  }
  ran += 1;
  for (const context of browser.contexts()) await context.close();
  await server.stop();
  await upstream.stop();
}
await browser.close();
console.log(`${ran - failed.length} of ${ran} passed in ${((Date.now() - begin) / 1000).toFixed(1)} s`);
if (ran === 0) console.log(`no test is called so: ${filter}`);
process.exit(failed.length > 0 || ran === 0 ? 1 : 0);
