// Measures what the dashboard promises about time and weight: node tests/measure.mjs
// A benchmark, not a test: it prints numbers of this machine and fails nothing.
import { openPage, startBrowser } from "./lib/browser.mjs";
import { startServer } from "./lib/server.mjs";
import { startUpstream } from "./lib/upstream.mjs";

const RUNS = 5;
const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const say = (name, value) => console.log(`${name.padEnd(52)} ${value}`);

const upstream = await startUpstream();
const server = await startServer();
await server.post("/sources", { url: `${upstream.address}/openapi.json`, name: "shop", allowPrivate: true });
await server.submit("await tools.shop.items.createItem({ name: 'x', amount: 1 })");
const [approval] = await server.pending();
const browser = await startBrowser();

/** From the request for the page to a button that can be pressed, in a profile that has nothing. */
async function inbox(slowdown) {
  const page = await openPage(browser, server);
  const session = await page.context().newCDPSession(page);
  await session.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
  await page.goto(`/w/local/approvals/${approval.id}`);
  await page.waitForFunction(() => document.querySelector("[data-testid=approve]")?.getAttribute("aria-disabled") !== "true" && document.querySelector("[data-testid=approve]"));
  const ready = await page.evaluate(() => performance.now());
  await page.context().close();
  return ready;
}

for (const slowdown of [1, 4]) {
  const times = [];
  for (let n = 0; n < RUNS; n++) times.push(await inbox(slowdown));
  say(`inbox usable, cold, processor ${slowdown} times slower`, `${Math.round(median(times))} ms, median of ${RUNS}`);
}

/** From the event in the server to the row in the page. */
{
  const page = await openPage(browser, server);
  await page.goto("/w/local/approvals");
  await page.getByText("● live").waitFor();
  const times = [];
  for (let n = 0; n < RUNS; n++) {
    const name = `seen-${n}`;
    const start = Date.now();
    await server.submit(`await tools.shop.items.createItem({ name: '${name}', amount: 1 })`);
    await page.getByRole("button", { name: new RegExp(`${n + 1} new`) }).waitFor();
    times.push(Date.now() - start);
  }
  say("submission to the pill in another page", `${median(times)} ms, median of ${RUNS}`);
  await page.context().close();
}

/** A task of many calls. */
{
  const many = await server.submit("for (let i = 0; i < 1000; i++) await tools.shop.items.listItems();");
  await server.settled(many.id);
  const page = await openPage(browser, server);
  await page.goto(`/w/local/tasks/${many.id}`);
  await page.getByRole("button", { name: /Call 1,/ }).waitFor();
  const shown = await page.evaluate(() => performance.now());
  const rows = await page.getByRole("button", { name: /^Call \d+,/ }).count();
  say("timeline of 1,000 calls: first bars", `${Math.round(shown)} ms, ${rows} rows drawn`);
  await page.context().close();
}

/** Many tasks. */
{
  for (let n = 0; n < 2000; n += 100) await Promise.all(Array.from({ length: 100 }, (_, i) => server.submit(`// Task ${n + i}\nreturn ${n + i}`)));
  const page = await openPage(browser, server);
  await page.goto("/w/local/tasks");
  await page.getByRole("row").nth(5).waitFor();
  const shown = await page.evaluate(() => performance.now());
  const rows = await page.getByRole("row").count();
  const heap = await page.evaluate(() => performance.memory.usedJSHeapSize / 1e6);
  say("list of 2,000 tasks: first rows", `${Math.round(shown)} ms, ${rows} rows drawn, ${heap.toFixed(0)} MB`);
  const frames = await page.evaluate(async () => {
    const box = document.querySelector("[role=table]");
    const gaps = [];
    let last = performance.now();
    for (let n = 0; n < 200; n++) {
      box.scrollTop += 120;
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      gaps.push(now - last);
      last = now;
    }
    return gaps.sort((a, b) => a - b);
  });
  say("scrolling it: frames", `p95 ${frames[190].toFixed(1)} ms, longest ${frames[199].toFixed(1)} ms`);
}

await browser.close();
await server.stop();
await upstream.stop();
