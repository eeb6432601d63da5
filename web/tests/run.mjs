// Runs the browser's tests against the built program: node tests/run.mjs [part of a name]
//
// Two lanes at a time, each with a browser of its own; every case has a server, an API to call and
// browser profiles of its own, so cases cannot see each other. The next case's server starts while
// one runs.
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { openPage, startBrowser } from "./lib/browser.mjs";
import { startServer } from "./lib/server.mjs";
import { startUpstream } from "./lib/upstream.mjs";

const LANES = Number(process.env.LANES ?? Math.min(2, availableParallelism()));
/** For a busy machine: no case takes a tenth of it. */
const CASE_MS = 240_000;

const filter = process.argv[2] ?? "";
const folder = new URL("./cases/", import.meta.url);
const cases = [];
for (const file of readdirSync(folder).filter((name) => name.endsWith(".mjs")).sort()) {
  const module = await import(new URL(file, folder));
  for (const [name, run] of Object.entries(module.default))
    cases.push({ name: `${file.replace(".mjs", "")}: ${name}`, run, isFresh: module.fresh === true, isLong: module.long?.includes(name) === true });
}
// Long ones first, so that the lanes end together.
const chosen = cases.filter((each) => each.name.includes(filter)).sort((a, b) => Number(b.isLong) - Number(a.isLong));
const queue = [...chosen];
const failed = [];
const begin = Date.now();

/** A server of its own with the counting API connected, unless the case wants a bare one. */
async function prepare(each) {
  const [upstream, server] = await Promise.all([startUpstream(), startServer()]);
  const world = { upstream, server };
  if (each.isFresh) return world;
  return server
    .post("/sources", { url: `${upstream.address}/openapi.json`, name: "shop", allowPrivate: true })
    .then(() => world)
    .catch(async (error) => {
      await Promise.all([server.stop(), upstream.stop()]);
      throw error;
    });
}

function timeLimit(what) {
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took more than ${CASE_MS / 1000} s`)), CASE_MS);
  });
  return Promise.race([what, over]).finally(() => clearTimeout(timer));
}

async function lane(number) {
  const browser = await startBrowser();
  let ready = null;
  const take = () => {
    const each = queue.shift();
    if (!each) return null;
    const world = prepare(each);
    // Told where it is awaited.
    world.catch(() => undefined);
    return { each, world };
  };
  for (let next = take(); next !== null; next = ready) {
    const { each, world } = next;
    const lines = [];
    let server = null;
    let upstream = null;
    try {
      ({ server, upstream } = await world);
      ready = take();
      const start = Date.now();
      await timeLimit(each.run({ browser, server, upstream, open: (more) => openPage(browser, server, more) }));
      lines.push(`ok    ${each.name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
    } catch (error) {
      if (server === null) ready = take();
      failed.push(each.name);
      lines.push(`FAIL  ${each.name}`, String(error.stack ?? error));
      let shot = 0;
      for (const context of browser.contexts())
        for (const page of context.pages()) {
          lines.push(`  at ${page.url()}`);
          const faults = page.faults ?? [];
          if (faults.length > 0) lines.push(`  faults: ${faults.join("; ")}`);
          if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/fail-${number}-${failed.length}-${++shot}.png`, timeout: 5_000 }).catch(() => undefined);
        }
      if (server && server.child.exitCode !== null) lines.push(`  the server ended: ${server.said().slice(-2_000)}`);
    }
    console.log(lines.join("\n"));
    for (const context of browser.contexts()) await context.close();
    await server?.stop();
    await upstream?.stop();
  }
  await browser.close();
}

await Promise.all(Array.from({ length: Math.max(1, LANES) }, (_, number) => lane(number)));
// A machine with other work to do is no fault of a page: what failed is tried once more, with nothing
// beside it.
if (failed.length > 0 && filter === "") {
  const again = new Set(failed.splice(0));
  console.log(`once more: ${[...again].join(", ")}`);
  queue.push(...chosen.filter((each) => again.has(each.name)));
  await lane(0);
}
const passed = chosen.length - failed.length;
console.log(`${passed} of ${chosen.length} passed in ${((Date.now() - begin) / 1000).toFixed(1)} s`);
for (const name of failed) console.log(`failed: ${name}`);
if (chosen.length === 0) console.log(`no test is called so: ${filter}`);
process.exit(failed.length > 0 || chosen.length === 0 ? 1 : 0);
