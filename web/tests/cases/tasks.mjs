// Tasks as they run: the list, the timeline, code, logs, cancel, run again.
import assert from "node:assert/strict";
import { openPage, startBrowser, writeProgram } from "../lib/browser.mjs";
import { seeded } from "../lib/seed.mjs";
import { startServer, until } from "../lib/server.mjs";
import { startUpstream } from "../lib/upstream.mjs";

export const long = ["ten thousand tasks: few rows are drawn, all can be reached and found"];

export default {
  async "a task is followed live, canceled, and run again"({ browser, server }) {
    const code = [
      "// Watch me",
      "console.log('first line');",
      "await tools.shop.items.listItems();",
      "console.warn('before the write');",
      "await tools.shop.items.createItem({ name: 'x', amount: 1 });",
      "return 1;",
    ].join("\n");
    const page = await openPage(browser, server);
    await page.goto("/tasks");
    await page.getByRole("heading", { name: "Tasks" }).waitFor();
    const task = await server.submit(code);
    // The list is at its top: the new row comes by itself.
    const row = page.getByRole("row").filter({ hasText: "Watch me" });
    await row.getByText("waiting").filter({ visible: true }).waitFor();
    await row.getByRole("link", { name: "Watch me" }).click();
    await page.getByRole("button", { name: /Call \d+\s*shop\.items\.createItem\s*, waiting/ }).click();
    await page.getByRole("tab", { name: "Code" }).click();
    const here = page.locator("li[aria-current=true]");
    await here.getByText("createItem").waitFor();
    await page.getByRole("tab", { name: /Logs/ }).click();
    await page.getByText("before the write").waitFor();
    await page.getByLabel("Search logs").fill("first");
    await page.getByText("before the write").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Cancel…" }).click();
    const dialog = page.getByRole("alertdialog");
    await dialog.getByText(/1 call already happened/).waitFor();
    await dialog.getByRole("button", { name: "Cancel the task" }).click();
    assert.equal((await server.settled(task.id)).status, "canceled");
    await page.getByText("canceled").first().waitFor();
    await page.getByRole("button", { name: "Run again" }).click();
    await page.waitForFunction((id) => !location.pathname.endsWith(id), task.id);
    await page.locator("#main").getByRole("link", { name: /Review/ }).waitFor();
    const { items } = await server.get("/tasks");
    assert.equal(items.length, 2);
    assert.equal(items[0].code, code);
    assert.deepEqual(page.faults, []);
  },

  async "filters live in the address, and back restores them"({ browser, server }) {
    const good = await server.submit("// The good one\nreturn 1");
    const bad = await server.submit("// The bad one\nthrow new Error('it broke')");
    await server.settled(good.id);
    await server.settled(bad.id);
    const page = await openPage(browser, server);
    await page.goto("/tasks");
    await page.getByText("The good one").waitFor();
    await page.getByLabel("Status").selectOption("failed");
    await page.getByText("The good one").waitFor({ state: "detached" });
    assert.match(page.url(), /status=failed/);
    await page.getByText(/it broke/).first().waitFor();
    await page.getByRole("link", { name: "The bad one" }).click();
    await page.getByRole("tab", { name: "Result" }).click();
    await page.getByText("it broke").first().waitFor();
    await page.goBack();
    await page.waitForURL(/status=failed/);
    assert.equal(await page.getByLabel("Status").inputValue(), "failed");
    await page.getByLabel("Search tasks").fill("nothing like this");
    await page.getByText("No task matches").waitFor();
    await page.getByRole("button", { name: "Clear the filters" }).click();
    await page.getByText("The good one").waitFor();
  },

  async "a write in the editor is forecast, checked, run and shown beside its code"({ browser, server, upstream }) {
    const page = await openPage(browser, server);
    await page.goto("/run");
    const editor = page.locator(".cm-content");
    await writeProgram(page, "return await tools.shop.items.createItem({ nam: 'x', amount: 1 });");
    await page.getByText(/did you mean/).first().waitFor();
    await writeProgram(page, "return await tools.shop.items.listItems();");
    const forecast = page.getByRole("list", { name: "Policy forecast" });
    await forecast.getByText("allow").waitFor();
    await server.post("/policies", { effect: "deny", match: { tools: ["shop.items.deleteItem"] } });
    await server.post("/policies", { effect: "allow", match: { tools: ["shop.items.createItem"], conditions: ["amount <= 100"] } });
    await writeProgram(page, "for (const amount of [1, 500]) await tools.shop.items.createItem({ name: 'x', amount });\nawait tools.shop.items.createItem({ name: 'x', amount: 5 });\nawait tools.shop.items.deleteItem({ id: 'x' });");
    // What the text shows for certain is said for certain; what depends on a value, as that.
    await forecast.getByRole("listitem").filter({ hasText: "line 1" }).getByText("depends").waitFor();
    await forecast.getByRole("listitem").filter({ hasText: "line 2" }).getByText("allow", { exact: false }).last().waitFor();
    await forecast.getByRole("listitem").filter({ hasText: "line 3" }).getByText("deny").waitFor();
    await writeProgram(page, "return await tools.shop.items.listItems();");
    await until(async () => (await forecast.getByRole("listitem").count()) === 1, "the forecast of one call");
    await forecast.getByText("allow").waitFor();
    await page.keyboard.press("ControlOrMeta+Enter");
    await page.getByText("pen").first().waitFor();
    assert.equal(upstream.received.filter((each) => each.method === "GET").length, 1);
    // The draft survives the page.
    await page.reload();
    await editor.getByText("listItems").waitFor();
    assert.deepEqual(page.faults, []);
  },

  async "the editor completes paths and arguments from the catalog, and says what a tool is"({ browser, server, upstream }) {
    await server.post("/sources", { url: `${upstream.address}/large.json`, name: "large", allowPrivate: true });
    const page = await openPage(browser, server);
    await page.goto("/run");
    await writeProgram(page, "");
    const options = page.getByRole("listbox").getByRole("option");
    await page.keyboard.type("await tools.sh");
    // A group is taken with its dot, and what is below it is offered at once.
    await options.filter({ hasText: "shop" }).filter({ hasText: "5 tools" }).click();
    await options.filter({ hasText: "items" }).filter({ hasText: "5 tools" }).click();
    await page.keyboard.type("cre");
    // Its risk and what policy says stand beside it.
    await options.filter({ hasText: "createItem" }).filter({ hasText: "write, ask" }).click();
    await page.locator(".cm-line").filter({ hasText: "await tools.shop.items.createItem" }).waitFor();
    await page.keyboard.type("({ am");
    await options.filter({ hasText: "amount" }).filter({ hasText: "required" }).click();
    await page.locator(".cm-line").filter({ hasText: "createItem({ amount: " }).waitFor();
    // Inside of what is nested, too, and of alternatives; what is there already is not offered again.
    await page.keyboard.type("1, ow");
    await options.filter({ hasText: "owner" }).click();
    await page.keyboard.type("{ v");
    await options.filter({ hasText: "vip" }).filter({ hasText: "boolean" }).click();
    await page.keyboard.type("true }, shape: { si");
    await options.filter({ hasText: "side" }).filter({ hasText: "number" }).click();
    await page.keyboard.type("2 }, m");
    await options.filter({ hasText: "memo" }).waitFor();
    assert.equal(await options.filter({ hasText: "amount" }).count(), 0);
    await page.keyboard.press("Escape");
    const line = await page.locator(".cm-line").first().boundingBox();
    await page.mouse.move(line.x + 150, line.y + 8);
    await page.mouse.move(line.x + 200, line.y + 10, { steps: 4 });
    await page.locator(".cm-tooltip").filter({ hasText: "Create an item." }).waitFor();
    // Of a large source everything is offered, not its beginning alone.
    await writeProgram(page, "");
    await page.keyboard.type("await tools.large.od");
    await options.filter({ hasText: "odd" }).filter({ hasText: "260 tools" }).click();
    await page.keyboard.type("read0519");
    await options.filter({ hasText: "read0519" }).click();
    await page.locator(".cm-line").filter({ hasText: "tools.large.odd.read0519" }).waitFor();
    // The editor is no trap for the keyboard.
    await page.locator(".cm-content").click();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.closest(".cm-editor") === null), true, "the focus has left the editor");
    assert.deepEqual(page.faults, []);
  },

  async "events reach every tab through one stream, and the next tab takes over"({ browser, server }) {
    const first = await openPage(browser, server);
    const context = first.context();
    await first.goto("/approvals");
    await first.getByText("● live").waitFor();
    const tabs = [first];
    for (let n = 0; n < 6; n++) {
      const tab = await context.newPage();
      await tab.goto("/approvals");
      await tab.getByText("● live").waitFor();
      tabs.push(tab);
    }
    const task = (n) => `return await tools.shop.items.createItem({ name: 'tab${n}', amount: ${n} });`;
    await server.submit(task(1));
    for (const tab of tabs) await tab.getByText(/tab1/).first().waitFor();
    await first.close();
    // Whoever leads now, the others hear of it.
    await tabs[1].getByText("● live").waitFor();
    await server.submit(task(2));
    await Promise.all(tabs.slice(1).map((tab) => tab.getByRole("button", { name: /1 new/ }).waitFor()));
  },

  async "a fork takes over what the first calls gave, and sends the rest"({ browser, server, upstream }) {
    const code = [
      "const found = await tools.shop.items.listItems();",
      "const made = await tools.shop.items.createItem({ name: found[0].name, amount: 1 });",
      "return made.name;",
    ].join("\n");
    const task = await server.submit(code);
    const [asked] = await server.pending();
    await server.post(`/approvals/${asked.id}/deny`, {});
    assert.equal((await server.settled(task.id)).status, "denied");
    const page = await openPage(browser, server);
    await page.goto(`/tasks/${task.id}`);
    await page.getByRole("button", { name: /Call 2\s*shop/ }).click();
    await page.getByRole("button", { name: "Fork from call 2" }).click();
    await page.waitForFunction((id) => !location.pathname.endsWith(id), task.id);
    await page.getByText(/fork at call 2 of/).waitFor();
    const [again] = await server.pending();
    await server.post(`/approvals/${again.id}/approve`, {});
    const forked = await server.settled(again.taskId);
    assert.equal(forked.result, "pen");
    assert.deepEqual(forked.forkedFrom, { taskId: task.id, fromCall: 2 });
    // The first call was made once, by the first task.
    assert.deepEqual(upstream.received.map((each) => each.method), ["GET", "POST"]);
    await page.getByRole("button", { name: /Call 1\s*shop/ }).click();
    await page.getByText("Taken over from").waitFor();
    // A program that goes another way before it is told so, and sends nothing.
    await page.goto(`/w/local/run?from=${task.id}&call=2`);
    await writeProgram(page, "return await tools.shop.items.getItem({ id: 'other' });");
    await page.getByRole("button", { name: "Fork", exact: true }).click();
    await page.getByText(/replay_diverged/).first().waitFor();
    assert.equal(upstream.received.length, 2);
    // A call that was never made is no place to begin.
    assert.equal((await server.send("POST", `/tasks/${task.id}/fork`, { fromCall: 9 })).status, 422);
    assert.deepEqual(page.faults, []);
  },

  async "a task that is over is replayed: code, logs and bars follow"({ browser, server }) {
    const code = ["console.log('before all');", "await tools.shop.items.listItems();", "console.log('between');", "await new Promise((done) => setTimeout(done, 300));", "await tools.shop.items.getItem({ id: 'x' });", "return 1;"].join("\n");
    const task = await server.submit(code);
    await server.settled(task.id);
    const page = await openPage(browser, server);
    await page.goto(`/tasks/${task.id}`);
    await page.getByRole("button", { name: "Replay" }).click();
    const moment = page.getByRole("slider", { name: "Moment of the replay" });
    await moment.waitFor();
    // By events: the first call, then on until the second.
    await page.getByRole("button", { name: "To the next event" }).click();
    const here = page.locator("li[aria-current=true]");
    await here.getByText("listItems").waitFor();
    const next = page.getByRole("button", { name: "To the next event" });
    while (!(await here.getByText("getItem").isVisible())) await next.click();
    await page.getByRole("tab", { name: /Logs/ }).click();
    await page.getByText("between").waitFor();
    await moment.focus();
    await page.keyboard.press("Home");
    await page.getByText("between").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "End the replay" }).click();
    await page.getByText("between").waitFor();
    assert.deepEqual(page.faults, []);
  },

  async "ten thousand lines of a log: the tail, pause and search"({ browser, server }) {
    const page = await openPage(browser, server);
    const task = await server.submit("for (let n = 1; n <= 10000; n++) console.log('line number ' + n);\nawait tools.shop.items.deleteItem({ id: 'x' });\nconsole.log('the very end');");
    const [asked] = await server.pending();
    await page.goto(`/tasks/${task.id}?tab=logs`);
    await page.getByText("line number 10000", { exact: true }).waitFor();
    const drawn = await page.getByRole("log").locator("[data-index]").count();
    assert.ok(drawn < 200, `${drawn} lines are drawn`);
    await page.getByRole("button", { name: "Pause" }).click();
    await server.post(`/approvals/${asked.id}/approve`, {});
    await server.settled(task.id);
    await page.getByRole("button", { name: "Go on (1 held)" }).waitFor();
    assert.equal(await page.getByText("the very end").count(), 0);
    await page.getByRole("button", { name: /Go on/ }).click();
    await page.getByText("the very end").waitFor();
    await page.getByLabel("Search logs").fill("number 4242");
    await page.getByText("line number 4242", { exact: true }).waitFor();
    await page.getByText("the very end").waitFor({ state: "detached" });
    assert.equal(await page.getByRole("log").locator("[data-index]").count(), 1);
    assert.deepEqual(page.faults, []);
  },

  async "ten thousand tasks: few rows are drawn, all can be reached and found"({ browser, server }) {
    const all = 10_000;
    const much = await startServer({ home: await seeded(server, { tasks: all }) });
    try {
      const page = await openPage(browser, much);
      await page.goto("/tasks");
      await page.getByRole("row").nth(5).waitFor();
      const drawn = () => page.getByRole("row").count();
      assert.ok((await drawn()) <= 60, `${await drawn()} rows`);
      const table = page.getByRole("table", { name: "Tasks" });
      const last = page.getByText(`Number x${all - 1}x`, { exact: true });
      await until(async () => {
        await table.evaluate((node) => node.scrollTo(0, node.scrollHeight));
        return last.isVisible();
      }, "the oldest task");
      // Two were there before.
      assert.equal(await table.getAttribute("aria-rowcount"), String(all + 3));
      assert.ok((await drawn()) <= 60, `${await drawn()} rows`);
      // The server finds what the page has not read; back restores the list and its place.
      await page.reload();
      await page.getByLabel("Search tasks").fill("number X9017x");
      const found = page.getByRole("link", { name: "Number x9017x", exact: true });
      await found.waitFor();
      await until(async () => (await table.getAttribute("aria-rowcount")) === "2", "one task to be found");
      assert.match(page.url(), /q=number/);
      await found.click();
      await page.getByRole("tab", { name: "Code" }).click();
      await page.getByText("return 9017;").waitFor();
      await page.goBack();
      await found.waitFor();
      assert.equal(await page.getByLabel("Search tasks").inputValue(), "number X9017x");
      assert.deepEqual(page.faults, []);
    } finally {
      await much.stop();
    }
  },

  async "three thousand calls of one task: few bars are drawn, and the last can be reached"({ browser, server }) {
    const much = await startServer({ home: await seeded(server, { calls: 3_000 }) });
    try {
      const [task] = (await much.get("/tasks?q=many")).items;
      const page = await openPage(browser, much);
      await page.goto(`/tasks/${task.id}`);
      await page.getByRole("button", { name: /^Call 1\s/ }).waitFor();
      await page.getByText("3000 calls").waitFor();
      const bars = page.getByRole("button", { name: /^Call \d/ });
      assert.ok((await bars.count()) <= 80, `${await bars.count()} bars`);
      const rows = page.getByRole("group", { name: "3002 rows" });
      const last = page.getByRole("button", { name: /^Call 3000\s/ });
      await until(async () => {
        await rows.evaluate((node) => node.scrollTo(0, node.scrollHeight));
        return last.isVisible();
      }, "the last call");
      assert.ok((await bars.count()) <= 80, `${await bars.count()} bars`);
      // What a call gave is read when it is selected.
      const read = [];
      page.on("request", (request) => read.push(new URL(request.url()).pathname));
      await last.click();
      await page.getByRole("region", { name: "Output" }).getByText("pen").first().waitFor();
      assert.ok(read.includes(`/api/v1/tasks/${task.id}/calls/3000`), read.join(" "));
      assert.equal(read.filter((path) => /\/calls\/\d+$/.test(path)).length, 1);
      assert.deepEqual(page.faults, []);
    } finally {
      await much.stop();
    }
  },

  async "a restart in between: the page goes on, nothing is lost and nothing twice"({ browser, server }) {
    const create = (n) => `return await tools.shop.items.createItem({ name: 'r${n}', amount: ${n} });`;
    for (const n of [1, 2]) await server.submit(create(n));
    const [first] = await server.pending(2);
    const page = await openPage(browser, server);
    await page.goto("/approvals");
    await page.getByText("● live").waitFor();
    const rows = page.getByRole("list", { name: "Pending approvals" }).getByRole("listitem");
    await until(async () => (await rows.count()) === 2, "both questions");
    await server.stop({ keep: true });
    await page.getByText("○ reconnecting").waitFor();
    // The page stays cut off while the server is back and things happen; then it goes on after the
    // last event that it saw.
    const asked = [];
    let isCut = true;
    await page.context().route("**/api/v1/workspaces/*/events*", (route) => {
      if (isCut) return route.abort();
      const request = route.request();
      asked.push(Number(request.headers()["last-event-id"] ?? new URL(request.url()).searchParams.get("after") ?? 0));
      return route.continue();
    });
    const again = await startServer({ home: server.home, port: Number(new URL(server.address).port) });
    try {
      const before = (await again.get("/me")).lastEvent;
      await again.submit(create(3));
      await again.pending(3);
      await again.post(`/approvals/${first.id}/deny`, { reason: "decided while the page was cut off" });
      isCut = false;
      await page.getByText("● live").waitFor();
      assert.ok(asked[0] > 0 && asked[0] <= before, `${asked} of ${before}`);
      await page.getByRole("button", { name: /1 new/ }).click();
      const names = async () => (await rows.allTextContents()).flatMap((text) => text.match(/r\d/g) ?? []).sort().join(" ");
      const waiting = (await again.pending(2)).map((each) => each.arguments.name).sort().join(" ");
      await until(async () => (await names()).includes(waiting), `${waiting}, each once; there is ${await names()}`);
      assert.equal(new Set((await names()).split(" ")).size, (await rows.count()), "none twice");
      assert.deepEqual(page.faults.filter((fault) => !/net::ERR|Failed to load/.test(fault)), []);
    } finally {
      await again.stop();
    }
  },

  async "on a host of the network by plain HTTP, without locks or a clipboard, each visible tab reads the stream itself"() {
    // A browser of its own: one that finds the machine under a name.
    const host = "executor.test";
    const upstream = await startUpstream();
    const server = await startServer({ env: { EXECUTOR_ALLOWED_HOSTS: host } });
    const browser = await startBrowser({ args: [`--host-resolver-rules=MAP ${host} 127.0.0.1`] });
    try {
      await server.post("/sources", { url: `${upstream.address}/openapi.json`, name: "shop", allowPrivate: true });
      const link = new URL((await server.post("/sign-in-links")).url);
      const address = `http://${host}:${new URL(server.address).port}`;
      const page = await openPage(browser, { address });
      const scripts = [];
      page.on("response", (response) => response.url().endsWith(".js") && scripts.push(response.headers()["content-encoding"]));
      await page.goto(`${link.pathname}${link.search}`);
      await page.waitForURL((at) => !at.pathname.startsWith("/sign-in"));
      await page.goto("/w/local/approvals");
      assert.equal(await page.evaluate(() => "locks" in navigator || "clipboard" in navigator || isSecureContext), false);
      await page.getByText("● live").waitFor();
      const other = await page.context().newPage();
      await other.goto("/w/local/approvals");
      await other.getByText("● live").waitFor();
      await page.bringToFront();
      const task = await server.submit("return await tools.shop.items.createItem({ name: 'lockless', amount: 1 });");
      await page.getByText(/lockless/).first().waitFor();
      await page.goto(`/w/local/tasks/${task.id}`);
      await page.getByRole("button", { name: "Copy link" }).click();
      await page.getByText(/Copied the link|\/tasks\//).first().waitFor();
      // Such a host is offered no brotli.
      assert.ok(scripts.length > 0 && scripts.every((coding) => coding === "gzip"), scripts.join());
      assert.deepEqual(page.faults, []);
    } finally {
      await browser.close();
      await server.stop();
      await upstream.stop();
    }
  },
};
