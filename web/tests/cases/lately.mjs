// What was done lately: tasks by time, client and tool; the usage of a tool; and what pages say of limits,
// of what is not there, and of people.
import assert from "node:assert/strict";
import { violations } from "../lib/axe.mjs";
import { approveUnlocked, openPage } from "../lib/browser.mjs";
import { until } from "../lib/server.mjs";

/** A task of a client that names itself. */
const submitAs = (server, client, code) =>
  fetch(`${server.address}/api/v1/tasks`, { method: "POST", headers: { "content-type": "application/json", "x-executor-client": client }, body: JSON.stringify({ code }) }).then((response) => response.json());

export default {
  async "tasks are filtered by time, client and tool, in the address"({ browser, server }) {
    const listed = await submitAs(server, "agent-a/1.0", "// The lister\nreturn await tools.shop.items.listItems();");
    const plain = await submitAs(server, "agent-b/1.0", "// The thinker\nreturn 1");
    await server.settled(listed.id);
    await server.settled(plain.id);
    const page = await openPage(browser, server);
    await page.goto("/w/local/tasks");
    const lister = page.getByRole("link", { name: "The lister" });
    const thinker = page.getByRole("link", { name: "The thinker" });
    await lister.waitFor();
    await thinker.waitFor();
    assert.equal(await page.getByRole("row").filter({ hasText: "The lister" }).getByRole("cell").nth(4).textContent(), "1");
    await page.getByLabel("Time").selectOption("24h");
    await page.waitForURL(/time=24h/);
    await lister.waitFor();
    await page.getByLabel("Client").selectOption("agent-a/1.0");
    await thinker.waitFor({ state: "detached" });
    await page.waitForURL(/client=agent-a/);
    await page.getByLabel("Client").selectOption("");
    await thinker.waitFor();
    await page.getByLabel("Tool", { exact: true }).fill("shop.items.listItems");
    await thinker.waitFor({ state: "detached" });
    await page.waitForURL(/tool=shop\.items\.listItems/);
    await lister.click();
    await page.getByRole("tab", { name: "Result" }).waitFor();
    await page.goBack();
    await lister.waitFor();
    assert.equal(await page.getByLabel("Time").inputValue(), "24h");
    assert.equal(await page.getByLabel("Tool", { exact: true }).inputValue(), "shop.items.listItems");
    await page.getByLabel("Tool", { exact: true }).fill("shop.items.deleteItem");
    await page.getByText("No task matches shop.items.deleteItem, last 24 hours").waitFor();
    await page.getByRole("button", { name: "Clear the filters" }).click();
    await thinker.waitFor();
    assert.equal(await page.getByLabel("Tool", { exact: true }).inputValue(), "");
    // The field keeps the focus from its first letter on.
    await page.getByLabel("Search tasks").click();
    await page.keyboard.type("Thinker");
    await lister.waitFor({ state: "detached" });
    await page.waitForURL(/q=Thinker/);
    assert.equal(await page.getByLabel("Search tasks").inputValue(), "Thinker");
    assert.deepEqual(page.faults, []);
  },

  async "tasks are selected up to a row, and run again together"({ browser, server }) {
    for (const n of [1, 2, 3]) await server.settled((await server.submit(`// Number ${n}\nreturn ${n}`)).id);
    const page = await openPage(browser, server);
    await page.goto("/w/local/tasks");
    await page.getByRole("link", { name: "Number 1" }).waitFor();
    const at = (n) => page.waitForFunction((text) => document.activeElement?.textContent === text, `Number ${n}`);
    await page.keyboard.press("j");
    await at(3);
    await page.keyboard.press("x");
    await page.getByText("1 task selected").waitFor();
    await page.keyboard.press("j");
    await at(2);
    await page.keyboard.press("j");
    await at(1);
    await page.keyboard.press("Shift+X");
    await page.getByText("3 tasks selected").waitFor();
    await page.getByRole("button", { name: "Run again" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Run 3 tasks again" }).click();
    await page.getByText("Started 3 tasks").waitFor();
    await until(async () => (await server.get("/tasks")).items.length === 6, "six tasks");
  },

  async "a tool says what its calls came to, and leads to their tasks"({ browser, server, upstream }) {
    await server.post("/policies", { effect: "allow", match: { tools: ["shop.items.createItem"] } });
    const good = await submitAs(server, "agent-a/1.0", "await tools.shop.items.createItem({ name: 'a', amount: 1 }); return await tools.shop.items.createItem({ name: 'b', amount: 2 });");
    const bad = await submitAs(server, "agent-b/1.0", "return await tools.shop.items.createItem({ name: 'please-fail', amount: 1 });");
    await server.settled(good.id);
    await server.settled(bad.id);
    assert.ok(upstream.writes().length >= 3);
    const page = await openPage(browser, server);
    await page.goto("/w/local/tools/shop.items.createItem");
    await page.getByRole("button", { name: "Usage" }).click();
    await page.waitForURL(/tab=usage/);
    const whole = page.getByRole("region", { name: "In all" });
    await whole.getByText(/^3 since/).waitFor();
    await whole.getByText("ok 2", { exact: false }).waitFor();
    await whole.getByText("failed 1", { exact: false }).waitFor();
    await whole.getByText(/95 of 100 within/).waitFor();
    const clients = page.getByRole("region", { name: "By client" }).getByRole("row");
    await clients.filter({ hasText: "agent-a/1.0" }).getByRole("cell", { name: "2", exact: true }).waitFor();
    await clients.filter({ hasText: "agent-b/1.0" }).getByText("1 call").waitFor();
    await page.getByRole("link", { name: `${bad.id.slice(0, 12)}… call 1` }).click();
    await page.getByRole("tab", { name: "Call 1", selected: true }).waitFor();
    await page.getByText("500", { exact: true }).first().waitFor();
    await page.goto("/w/local/tools/shop.items.deleteItem?tab=usage");
    await page.getByText("Nobody has called it in the last 30 days").waitFor();
    assert.deepEqual(page.faults, []);
  },

  async "a refusal for a time counts down, and what is not there offers the search"({ browser, server }) {
    const page = await openPage(browser, server);
    let isRefused = true;
    await page.route("**/api/v1/members?*", (route) =>
      isRefused
        ? route.fulfill({ status: 429, headers: { "retry-after": "3", "content-type": "application/problem+json" }, body: JSON.stringify({ title: "too many requests", code: "rate_limited", status: 429 }) })
        : route.continue(),
    );
    await page.goto("/w/local/settings/members");
    const problem = page.getByRole("alert");
    await problem.getByText("Too many requests").waitFor();
    const retry = problem.getByRole("button", { name: "Retry" });
    assert.equal(await retry.getAttribute("aria-disabled"), "true");
    await problem.getByRole("timer").filter({ hasText: /Let in again in [12] s/ }).waitFor();
    await problem.getByRole("timer").waitFor({ state: "detached" });
    isRefused = false;
    await retry.click();
    await page.getByText("(you)").waitFor();
    await page.goto("/w/local/tasks/task_00000000000000000000000000");
    await page.getByRole("alert").getByRole("button", { name: "Search" }).click();
    await page.getByRole("combobox", { name: "Search pages, tools and what waits" }).fill("listItems");
    await page.getByRole("option").filter({ hasText: "shop.items.listItems" }).click();
    await page.waitForURL(/tools\/shop\.items\.listItems/);
  },

  async "members say when they were last there, and an owner hands over"({ browser, server }) {
    const ada = await server.post("/members", { name: "Ada", role: "member" });
    const page = await openPage(browser, server);
    await page.goto("/w/local/settings/members");
    const own = page.getByRole("listitem").filter({ hasText: "(you)" });
    await own.getByText(/last active/).waitFor();
    const hers = page.getByRole("listitem").filter({ hasText: "Ada" });
    await hers.getByText("not seen yet").waitFor();
    await hers.getByRole("button", { name: "Hand the ownership over to Ada" }).click();
    const dialog = page.getByRole("alertdialog");
    await dialog.getByText("you become an administrator").waitFor();
    await dialog.getByRole("button", { name: "Make Ada the owner" }).click();
    // Whoever runs the server is always an owner of what it began with.
    await page.getByText("Ada is an owner now; whoever runs the server stays one, too").waitFor();
    await page.waitForFunction(() => document.querySelector("[aria-label='Role of Ada']")?.value === "owner");
    const { items } = await server.get("/members");
    assert.equal(items.find((each) => each.id === ada.id).role, "owner");
    // The audit log shows what became what.
    await page.goto("/w/local/audit?action=member.");
    await page.getByText("member.changed").first().click();
    const change = page.getByRole("table", { name: "What changed" }).first();
    await change.getByRole("row").filter({ hasText: "role" }).getByRole("cell").filter({ hasText: "owner" }).waitFor();
  },

  async "a tool is tried with a credential of one's choice, and everything says which"({ browser, server, upstream }) {
    await server.post("/credentials", { source: "shop", value: "own-token-1", scope: "personal", auth: "bearer", label: "ana" });
    const shared = await server.post("/credentials", { source: "shop", value: "shared-token-2", auth: "bearer", label: "gh-bot" });
    const page = await openPage(browser, server);
    await page.goto("/w/local/tools/shop.items.createItem?tab=try");
    const choice = page.getByLabel("Run as");
    await choice.waitFor();
    assert.deepEqual(await choice.locator("option").allTextContents(), ["as an agent would", "mine: ana", "shared: gh-bot"]);
    await page.getByLabel("name", { exact: true }).fill("as the bot");
    await page.getByLabel("amount", { exact: true }).fill("5");
    await choice.selectOption({ label: "shared: gh-bot" });
    await page.getByRole("button", { name: "Run once" }).click();
    await page.locator("#main").getByRole("link", { name: "Review" }).click();
    await page.getByText("to be sent with the credential shared: gh-bot, chosen for it").waitFor();
    await page.getByText("opened by a credential that the whole workspace shares").waitFor();
    await approveUnlocked(page);
    await page.getByTestId("approve").click();
    await until(() => upstream.writes().length === 1, "the call");
    assert.equal(upstream.writes()[0].headers.authorization, "Bearer shared-token-2");
    const task = await until(async () => (await server.get("/tasks")).items.find((each) => each.status === "completed"), "the task to end");
    assert.equal(task.runAs, shared.id);
    await page.goto(`/w/local/tasks/${task.id}?tab=call&call=1`);
    await page.getByText("run as shared: gh-bot").waitFor();
    await page.getByRole("link", { name: "workspace, gh-bot" }).waitFor();
    // Without a choice it is the first that the source finds.
    await page.goto("/w/local/tools/shop.items.listItems?tab=try");
    await choice.waitFor();
    await page.getByRole("button", { name: "Run once" }).click();
    await until(() => upstream.received.some((each) => each.method === "GET" && each.headers.authorization === "Bearer own-token-1"), "the other call");
    // What the source does not look at cannot be chosen.
    await fetch(`${server.address}/api/v1/sources/shop/credential-order`, { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ order: ["personal"] }) });
    await page.reload();
    await page.getByRole("option", { name: "shared: gh-bot (its source does not look at it)", disabled: true }).waitFor({ state: "attached" });
    assert.ok(!(await page.content()).includes("-token-"));
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(page.faults, []);
  },

  async "a timeline shows the start of the sandbox, and its table the waits and the lines"({ browser, server }) {
    const task = await server.submit("console.log('before'); return (await tools.shop.items.createItem({ name: 'x', amount: 1 })).name;");
    const [asked] = await server.pending();
    const page = await openPage(browser, server);
    await page.goto(`/w/local/tasks/${task.id}`);
    const timeline = page.getByRole("region", { name: "Timeline" });
    await timeline.getByText("sandbox", { exact: true }).waitFor();
    await timeline.getByRole("button", { name: "As a table" }).click();
    const row = (name) => timeline.getByRole("row").filter({ hasText: name });
    await row("waited for a decision").getByText("pending").waitFor();
    await server.post(`/approvals/${asked.id}/approve`);
    const done = await server.settled(task.id);
    assert.equal(done.status, "completed");
    await row("waited for a decision").getByText(/approved by /).waitFor();
    assert.match(await row("sandbox").first().innerText(), /\+\d+.*ms.*\d+ ms/s);
    await row("logged 1 line").waitFor();
    await row("shop.items.createItem").getByText("ok").waitFor();
    // Beside the code a call is chosen without losing its line.
    await page.goto(`/w/local/tasks/${task.id}?tab=code`);
    await timeline.getByRole("button", { name: /Call 1/ }).click();
    await page.getByRole("region", { name: "Call 1" }).getByText("Why it was decided so").waitFor();
    await page.getByRole("tab", { name: "Code", selected: true }).waitFor();
    await page.getByRole("list", { name: "Program" }).getByRole("listitem").and(page.locator("[aria-current=true]")).waitFor();
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(page.faults, []);
  },
};
