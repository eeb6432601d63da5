// Measures what the dashboard promises about time: node tests/measure.mjs
//
// It says what is over its budget. Of times it judges nothing; what is counted in rows or bytes is the
// same on every machine, and over its budget it ends with the status 3. Budgets are of the machine on which they were set; a slower or busier one is told by a job of known length, done beside each measure, and
// given as much more. What is over is measured again, as a machine has other things to do.
import { openPage, startBrowser } from "./lib/browser.mjs";
import { seeded } from "./lib/seed.mjs";
import { apiOf, startServer, until } from "./lib/server.mjs";
import { startUpstream } from "./lib/upstream.mjs";

const RUNS = 5;
const TRIES = 4;
/** Milliseconds that the job takes on the machine of the budgets. */
const JOB_MS = 25;
/** Jobs in a row: long enough to meet whatever else the machine does. */
const JOBS = 12;

const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
const median = (numbers) => sorted(numbers)[Math.floor(numbers.length / 2)];
const p95 = (numbers) => sorted(numbers)[Math.ceil(numbers.length * 0.95) - 1];

const upstream = await startUpstream();
const server = await startServer();
await server.post("/sources", { url: `${upstream.address}/openapi.json`, name: "shop", allowPrivate: true });
const much = await startServer({ home: await seeded(server, { tasks: 10_000, calls: 3_000 }) });
const browser = await startBrowser();
const over = [];

/** How many times slower than the machine of the budgets this one is now; never faster. */
async function slowness() {
  const page = await (await browser.newContext()).newPage();
  const times = await page.evaluate((jobs) => {
    const job = () => {
      const start = performance.now();
      const rows = Array.from({ length: 20_000 }, (_, n) => ({ id: `task_${(n * 7919) % 20_000}`, at: n % 977, text: "some words of a task" }));
      rows.sort((a, b) => a.at - b.at || a.id.localeCompare(b.id));
      JSON.parse(JSON.stringify(rows));
      return performance.now() - start;
    };
    return Array.from({ length: jobs }, job);
  }, JOBS);
  await page.context().close();
  // As things are, not as they are at best: what is measured meets the same.
  return Math.max(1, p95(times) / JOB_MS);
}

/** Measures, and once more while it is over its budget. What is no time is not scaled. */
async function measured(name, budget, unit, what) {
  let best = Number.POSITIVE_INFINITY;
  let allowed = budget;
  for (let n = 0; n < TRIES && best > allowed; n++) {
    const before = unit === "ms" ? await slowness() : 1;
    const value = await what();
    const slow = unit === "ms" ? Math.max(before, await slowness()) : 1;
    if (value / slow < best / (allowed / budget)) [best, allowed] = [value, budget * slow];
  }
  const shown = (number) => (number < 10 ? number.toFixed(1) : Math.round(number).toLocaleString("en"));
  console.log(`${name.padEnd(56)} ${shown(best).padStart(7)} ${unit} of ${shown(allowed)}`);
  if (best > allowed) over.push({ name, isTime: unit === "ms" });
}

/** Faults of a page are no matter of time, and none is let pass. */
async function closed(page) {
  if (page.faults.length > 0) over.push(`faults: ${page.faults.join("; ")}`);
  await page.context().close();
}

await server.submit("await tools.shop.items.createItem({ name: 'x', amount: 1 })");
const [approval] = await server.pending();

/** From the request for the page to a button that can be pressed, in a profile that has nothing. */
async function inbox(slowdown) {
  const times = [];
  for (let n = 0; n < RUNS; n++) {
    const page = await openPage(browser, server);
    const session = await page.context().newCDPSession(page);
    await session.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
    await page.addInitScript(() => {
      new MutationObserver(() => {
        const button = document.querySelector("[data-testid=approve]");
        if (button && button.getAttribute("aria-disabled") !== "true") window.usableAt ??= performance.now();
      }).observe(document, { subtree: true, childList: true, attributes: true });
    });
    await page.goto(`/w/local/approvals/${approval.id}`);
    const ready = await page.waitForFunction(() => window.usableAt);
    times.push(await ready.jsonValue());
    await closed(page);
  }
  return median(times);
}
await measured("inbox usable, cold", 700, "ms", () => inbox(1));
await measured("inbox usable, cold, processor four times slower", 1_500, "ms", () => inbox(4));

/** From the moment at which a call was asked about to the page that says so. */
await measured("from an event in the server to what shows it, p95", 100, "ms", async () => {
  const page = await openPage(browser, server);
  await page.goto("/w/local/approvals");
  await page.getByText("● live").waitFor();
  await page.getByTestId("approve").waitFor();
  await page.evaluate(() => {
    window.shownAt = {};
    new MutationObserver(() => {
      const said = /(\d+) new/.exec(document.querySelector("section[aria-label=Approvals]")?.textContent ?? "")?.[1];
      if (said) window.shownAt[said] ??= performance.timeOrigin + performance.now();
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  const times = [];
  for (let n = 1; n <= 20; n++) {
    const task = await server.submit(`await tools.shop.items.createItem({ name: 'seen-${n}', amount: 1 })`);
    const shown = await page.waitForFunction((said) => window.shownAt[said], n);
    const asked = await until(async () => (await server.get(`/tasks/${task.id}`)).approvals[0], "the question");
    times.push((await shown.jsonValue()) - Date.parse(asked.createdAt));
  }
  await closed(page);
  return p95(times);
});

/** From the click to the first rows, with the frame around them loaded. */
async function opened(link, first) {
  const page = await openPage(browser, much);
  await page.goto("/w/local/tools");
  await page.getByRole("heading", { name: "Tools" }).waitFor();
  await page.waitForFunction(() => !document.querySelector("[role=status][aria-label=Loading]"));
  const took = await page.evaluate(
    ([path, selector]) =>
      new Promise((resolve) => {
        const start = performance.now();
        const look = () => (document.querySelector(selector) ? resolve(performance.now() - start) : requestAnimationFrame(look));
        history.pushState(null, "", path);
        window.dispatchEvent(new PopStateEvent("popstate"));
        look();
      }),
    [link, first],
  );
  return { page, took };
}

await measured("list of 10,000 tasks: first rows", 400, "ms", async () => {
  const { page, took } = await opened("/w/local/tasks", "[role=row][aria-rowindex='5']");
  await closed(page);
  return took;
});

/** What scrolling the list is like while events come in. */
const scrolled = { frames: 0, task: 0, rows: 0, heap: 0 };
async function scroll() {
  const { page } = await opened("/w/local/tasks", "[role=row][aria-rowindex='5']");
  let going = true;
  // Each such task is over at once: two events or three.
  const events = (async () => {
    while (going) {
      await much.submit("await tools.shop.nothing.atAll();");
      await new Promise((done) => setTimeout(done, 50));
    }
  })();
  const found = await page.evaluate(async () => {
    const box = document.querySelector("[role=table]");
    const gaps = [];
    let longest = 0;
    const watcher = new PerformanceObserver((list) => list.getEntries().forEach((entry) => (longest = Math.max(longest, entry.duration))));
    watcher.observe({ entryTypes: ["longtask"] });
    let last = performance.now();
    for (let n = 0; n < 300; n++) {
      box.scrollTop += 120;
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      gaps.push(now - last);
      last = now;
    }
    return { gaps, longest, heap: performance.memory.usedJSHeapSize / 1e6, rows: document.querySelectorAll("[role=row]").length };
  });
  going = false;
  await events;
  await closed(page);
  Object.assign(scrolled, { frames: p95(found.gaps), task: found.longest, rows: found.rows, heap: found.heap });
}
await measured("scrolling it while events come: frames, p95", 20, "ms", async () => {
  await scroll();
  return scrolled.frames;
});
await measured("scrolling it: the longest task of the page", 50, "ms", async () => {
  if (scrolled.task > 50) await scroll();
  return scrolled.task;
});
await measured("scrolling it: rows drawn", 60, "rows", async () => scrolled.rows);
await measured("scrolling it: memory of the page", 80, "MB", async () => scrolled.heap);

const [many] = (await much.get("/tasks?q=many")).items;
await measured("timeline of 3,000 calls: first bars", 500, "ms", async () => {
  const { page, took } = await opened(`/w/local/tasks/${many.id}`, "[aria-label=Timeline] button[aria-pressed] .absolute");
  await closed(page);
  return took;
});

/** A fresh program, from its first page to a result by way of the inbox, by somebody who reads nothing. */
await measured("first run: welcome, sample, approval, result", 15_000, "ms", async () => {
  const fresh = await startServer();
  const page = await openPage(browser, fresh);
  const start = Date.now();
  await page.goto("/");
  await page.getByRole("button", { name: "Run the first program" }).click();
  await page.locator("#main").getByRole("link", { name: /Review/ }).click();
  await page.waitForFunction(() => document.querySelector("[data-testid=approve]")?.getAttribute("aria-disabled") === null);
  await page.waitForTimeout(450);
  await page.getByTestId("approve").click();
  const [task] = (await fresh.get("/tasks")).items;
  await apiOf(fresh.address).settled(task.id);
  const took = Date.now() - start;
  await closed(page);
  await fresh.stop();
  return took;
});

await browser.close();
await Promise.all([server.stop(), much.stop(), upstream.stop()]);
for (const each of over) console.log(`over budget: ${each.name}`);
process.exit(over.some((each) => !each.isTime) ? 3 : 0);
