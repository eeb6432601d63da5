// The inbox: what is read is what runs, once, and nothing is decided by accident.
import assert from "node:assert/strict";
import { violations } from "../lib/axe.mjs";
import { approveUnlocked, guardOver, openPage } from "../lib/browser.mjs";
import { seeded } from "../lib/seed.mjs";
import { apiOf, startServer, until } from "../lib/server.mjs";

const create = (args) => `return await tools.shop.items.createItem(${JSON.stringify(args)});`;
const remove = `return await tools.shop.items.deleteItem({ id: "item-7" });`;

async function inbox(browser, server, id, more) {
  const page = await openPage(browser, server, more);
  await page.goto(`/approvals/${id}`);
  await page.locator("#item-title").waitFor();
  return page;
}

async function outcome(page) {
  return page.getByTestId("outcome").innerText();
}

export const long = ["a thousand that wait: the soonest come first, few are drawn, and more are read when they are asked for"];

export default {
  async "approve sends exactly what is shown, once"({ browser, server, upstream }) {
    const args = { name: "café ☕ \u{1F680}", amount: 1250, memo: 'quote " and \\ and <b>', tags: ["a", "b"], owner: { id: "o1", vip: true } };
    const task = await server.submit(create(args));
    const [approval] = await server.pending();
    const page = await inbox(browser, server, approval.id);
    const shown = await page.locator("#item").innerText();
    assert.ok(shown.includes('"café ☕ \u{1F680}"') && shown.includes("1250") && shown.includes('\\"'), shown);
    assert.equal(upstream.writes().length, 0);
    // What the request view shows is what arrives, to the byte.
    await page.getByRole("button", { name: "Request", exact: true }).click();
    const request = await page.locator("section", { has: page.getByRole("heading", { name: "Arguments" }) }).locator("code").first().innerText();
    await approveUnlocked(page);
    await page.getByTestId("approve").click();
    const done = await server.settled(task.id);
    assert.equal(done.status, "completed");
    assert.equal(upstream.writes().length, 1);
    const [sent] = upstream.writes();
    assert.deepEqual(JSON.parse(sent.body), args);
    const body = request.split("\n\n").slice(1).join("\n\n");
    assert.equal(body, sent.body);
    assert.ok(request.startsWith(`POST ${upstream.address}/items`), request);
    assert.deepEqual(page.faults, []);
  },

  async "deny with a reason: the code learns it and nothing is sent"({ browser, server, upstream }) {
    const task = await server.submit(`try { ${create({ name: "x", amount: 1 })} } catch (e) { return { code: e.code, message: e.message }; }`);
    const [approval] = await server.pending();
    const page = await inbox(browser, server, approval.id);
    await page.getByLabel("Note to the agent").fill("Not on a Friday");
    await guardOver(page);
    await page.getByRole("button", { name: /^Deny D?$|^Deny$/ }).first().click();
    const done = await server.settled(task.id);
    assert.equal(done.result.code, "approval_denied");
    assert.ok(done.result.message.includes("Not on a Friday"), done.result.message);
    assert.equal(upstream.writes().length, 0);
  },

  async "two browsers and a double click: one effect, and the second sees who decided"({ browser, server, upstream }) {
    const task = await server.submit(create({ name: "x", amount: 1 }));
    const [approval] = await server.pending();
    const one = await inbox(browser, server, approval.id);
    const two = await inbox(browser, server, approval.id);
    await approveUnlocked(one);
    await approveUnlocked(two);
    // The second one's answer is on its way while the first one's counts: both have pressed.
    let release = () => undefined;
    const first = new Promise((resolve) => (release = resolve));
    const answers = [];
    await two.route("**/deny*", async (route) => {
      await first;
      await route.continue();
    });
    two.on("response", (response) => response.url().includes("/deny") && answers.push(response.status()));
    const denied = two.waitForRequest((request) => request.url().includes("/deny"));
    await two.keyboard.press("d");
    await denied;
    await one.getByTestId("approve").dblclick();
    await server.settled(task.id);
    release();
    assert.equal(upstream.writes().length, 1);
    await until(() => answers.length === 1, "the second answer");
    assert.deepEqual(answers, [409]);
    await two.getByTestId("outcome").waitFor();
    assert.match(await outcome(two), /approved/);
    assert.match(await outcome(two), /by \S+/);
    const kept = await server.get(`/approvals/${approval.id}`);
    assert.equal(kept.status, "approved");
    assert.equal(upstream.writes().length, 1);
  },

  async "a decision after the end of time changes nothing"({ browser, server, upstream }) {
    await server.post("/policies", { effect: "ask", match: { tools: ["shop.items.createItem"] }, ask: { waitMs: 4000, requesterMay: true, count: 1, mayEdit: false } });
    const task = await server.submit(create({ name: "x", amount: 1 }));
    const [approval] = await server.pending();
    const page = await inbox(browser, server, approval.id);
    await server.settled(task.id);
    await page.getByTestId("outcome").waitFor();
    assert.match(await outcome(page), /expired/);
    assert.equal(await page.getByTestId("approve").count(), 0);
    // Whoever answers all the same is told, and nothing is sent.
    for (const verb of ["approve", "deny"]) {
      const late = await server.send("POST", `/approvals/${approval.id}/${verb}`, { digest: approval.digest });
      assert.equal(late.status, 409, verb);
      assert.equal(late.body.code, "already_resolved");
    }
    assert.equal((await server.get(`/approvals/${approval.id}`)).status, "expired");
    assert.equal(upstream.writes().length, 0);
  },

  async "what was not shown is not approved: another digest is refused and the card read again"({ browser, server, upstream }) {
    await server.submit(create({ name: "x", amount: 1 }));
    const [approval] = await server.pending();
    const page = await inbox(browser, server, approval.id);
    // The person looked at something else than what the server would send.
    await page.route("**/approve*", (route) => {
      const body = { ...route.request().postDataJSON(), digest: "0".repeat(64) };
      return route.continue({ postData: JSON.stringify(body) });
    });
    let read = 0;
    page.on("request", (request) => (read += request.method() === "GET" && request.url().includes(`/approvals/${approval.id}`) ? 1 : 0));
    await approveUnlocked(page);
    const before = read;
    const [answer] = await Promise.all([page.waitForResponse("**/approve*"), page.getByTestId("approve").click()]);
    assert.equal(answer.status(), 409);
    assert.equal((await answer.json()).code, "approval_changed");
    await page.getByRole("alert").waitFor();
    await until(() => read > before, "the card to be read again");
    assert.equal((await server.get(`/approvals/${approval.id}`)).status, "pending");
    assert.equal(upstream.writes().length, 0);
    await page.unroute("**/approve*");
    await guardOver(page);
    await page.getByTestId("approve").click();
    await until(() => upstream.writes().length === 1, "the call as it is");
  },

  async "a long argument keeps approve locked until it is shown; deny works"({ browser, server, upstream }) {
    await server.submit(`return await tools.shop.items.createItem({ name: "x".repeat(200000), amount: 1 });`);
    const [approval] = await server.pending();
    const page = await inbox(browser, server, approval.id);
    const approve = page.getByTestId("approve");
    assert.equal(await approve.getAttribute("aria-disabled"), "true");
    await guardOver(page);
    await page.keyboard.press("a");
    await approve.click({ force: true });
    assert.equal((await server.get(`/approvals/${approval.id}`)).status, "pending");
    assert.match(await page.getByTestId("shown").innerText(), /folded/);
    // Unfolding alone is not seeing: the end is out of sight.
    await page.getByRole("button", { name: /Show everything/ }).click();
    await page.getByTestId("shown").filter({ hasText: "scroll to the end" }).waitFor();
    assert.equal(await approve.getAttribute("aria-disabled"), "true");
    await page.locator("#item").evaluate((node) => node.scrollTo(0, node.scrollHeight));
    await page.getByText("2 of 2 shown").waitFor();
    await approveUnlocked(page);
    await page.keyboard.press("a");
    await until(() => upstream.writes().length === 1, "the call");
    assert.equal(JSON.parse(upstream.writes()[0].body).name.length, 200000);

    await server.submit(`return await tools.shop.items.createItem({ name: "y".repeat(200000), amount: 1 });`);
    const [second] = await server.pending();
    await page.goto(`/approvals/${second.id}`);
    await page.getByTestId("approve").waitFor();
    await guardOver(page);
    await page.keyboard.press("d");
    await until(async () => (await server.get(`/approvals/${second.id}`)).status === "denied", "the denial");
    assert.equal(upstream.writes().length, 1);
  },

  async "hidden characters are marked and markup is inert"({ browser, server }) {
    const evil = {
      name: "pay\u200bpal \u202egnp.exe \u2066x\u2069 \u0430pple",
      amount: 1,
      memo: '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script> [click](javascript:window.pwned=1) ![i](http://203.0.113.1/x.png)',
    };
    await server.submit(`// <img src=x onerror="window.pwned=1">\n${create(evil)}`);
    const [approval] = await server.pending();
    const page = await inbox(browser, server, approval.id);
    for (const code of ["U+200B", "U+202E", "U+2066", "U+2069"]) await page.locator("[data-hidden=hidden]", { hasText: code }).first().waitFor();
    await page.locator("[data-hidden=mixed]", { hasText: "pple" }).first().waitFor();
    await page.getByText("Hidden or look-alike characters").waitFor();
    const text = await page.locator("#item").innerText();
    assert.ok(text.includes("<script>window.pwned=1</script>") && text.includes("[click](javascript:"), "shown as text");
    assert.equal(await page.locator("#item img, #item script, #item a[href^='javascript']").count(), 0);
    for (const view of ["JSON", "Request"]) {
      await page.getByRole("button", { name: view, exact: true }).click();
      await page.locator("[data-hidden=hidden]", { hasText: "U+202E" }).first().waitFor();
    }
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.deepEqual(page.faults, []);
  },

  async "a destructive call needs a second step, and stray keys are swallowed"({ browser, server, upstream }) {
    await server.submit(remove);
    await server.submit(create({ name: "next", amount: 1 }));
    const items = await server.pending(2);
    const first = items.find((each) => each.risk === "destructive");
    const page = await inbox(browser, server, first.id);
    await approveUnlocked(page);
    await page.keyboard.press("a");
    await page.getByText("Shift+A asks once more").waitFor();
    assert.equal((await server.get(`/approvals/${first.id}`)).status, "pending");
    await page.keyboard.press("Shift+A");
    const dialog = page.getByRole("alertdialog");
    await dialog.getByText(/Approve shop/).waitFor();
    await dialog.getByText(`DELETE ${upstream.address}/items/item-7`).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Cancel");
    // Enter on Cancel leaves it.
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });
    assert.equal(upstream.writes().length, 0);
    await page.keyboard.press("Shift+A");
    await dialog.getByRole("button", { name: "Approve once" }).click();
    await until(() => upstream.writes().length === 1, "the call");
    // The next call is selected; keys that were meant for the one before decide nothing.
    await page.waitForFunction((id) => !location.pathname.endsWith(id), first.id);
    await page.getByRole("heading", { level: 2, name: /createItem/ }).waitFor();
    await page.evaluate(() => {
      for (const key of ["a", "a", "d", "s"]) window.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    });
    const [left] = await server.pending();
    assert.equal(left.status, "pending");
    assert.equal(upstream.writes().length, 1);
  },

  async "remember makes the narrow rule that was shown"({ browser, server, upstream }) {
    await server.submit(create({ name: "pens", amount: 500 }));
    const [approval] = await server.pending();
    const page = await inbox(browser, server, approval.id);
    await approveUnlocked(page);
    await page.keyboard.press("r");
    const dialog = page.getByRole("dialog");
    await dialog.getByText("The rule", { exact: true }).waitFor();
    const conditions = await dialog.locator("fieldset code").allInnerTexts();
    assert.ok(conditions.some((each) => each.includes("amount")), conditions.join());
    await dialog.getByRole("button", { name: "Approve and remember" }).click();
    await until(() => upstream.writes().length === 1, "the call");
    const { rules } = await server.get("/policies");
    const rule = rules.find((each) => each.effect === "allow");
    assert.ok(rule.match.conditions.length > 0 && Date.parse(rule.until) < Date.now() + 25 * 3600_000, JSON.stringify(rule));
    const same = await server.submit(create({ name: "pens", amount: 500 }));
    assert.equal((await server.settled(same.id)).status, "completed");
    await server.submit(create({ name: "pens", amount: 501 }));
    const [asked] = await server.pending();
    assert.equal(asked.arguments.amount, 501);
    // When its time is over the same call is asked about again.
    const { effect, match, note } = rule;
    const soon = new Date(Date.now() + 500).toISOString();
    await fetch(`${server.address}/api/v1/policies/${rule.id}`, { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ effect, match, note, until: soon }) });
    await until(async () => {
      await server.submit(create({ name: "pens", amount: 500 }));
      const { items } = await server.get("/approvals?status=pending");
      return items.some((each) => each.arguments.amount === 500);
    }, "the rule to end");
  },

  async "what is there now is read on demand, by a call of the reviewer's own"({ browser, server, upstream }) {
    await server.submit(`return await tools.shop.items.changeItem({ id: "item-7", amount: 150 });`);
    const [approval] = await server.pending();
    const page = await inbox(browser, server, approval.id);
    const section = page.getByRole("region", { name: "What is there now" });
    await section.getByText("shop.items.getItem").waitFor();
    assert.equal(upstream.received.length, 0, "nothing is read by itself");
    await section.getByRole("button", { name: "Fetch current" }).click();
    const row = section.getByRole("row").filter({ hasText: "amount" });
    await row.getByText("120").waitFor();
    await row.getByText("150").waitFor();
    assert.deepEqual(upstream.received.map((each) => `${each.method} ${each.url}`), ["GET /items/item-7"]);
    // It stands in the record like any call.
    const tasks = (await server.get("/tasks")).items;
    assert.ok(tasks.some((each) => each.code.includes("getItem")), "a task of the reviewer's");
    assert.equal((await server.get(`/approvals/${approval.id}`)).status, "pending");
  },

  async "twelve at once, one failing; a destructive one cannot be among them"({ browser, server, upstream }) {
    for (let n = 0; n < 12; n++) await server.submit(create({ name: n === 3 ? "withdrawn meanwhile" : `n${n}`, amount: n }));
    const doomed = (await server.pending(12)).find((each) => each.arguments.amount === 3);
    await server.submit(remove);
    await server.pending(13);
    const page = await openPage(browser, server);
    await page.goto("/approvals");
    const list = page.getByRole("list", { name: "Pending approvals" });
    await list.getByRole("checkbox").nth(12).waitFor();
    for (const box of await list.getByRole("checkbox").all()) await box.check();
    const together = page.getByRole("button", { name: "Approve 13 once" });
    assert.equal(await together.getAttribute("aria-disabled"), "true");
    await list.getByRole("checkbox", { name: /deleteItem/ }).uncheck();
    const button = page.getByRole("button", { name: "Approve 12 once" });
    await button.click();
    const dialog = page.getByRole("dialog");
    await dialog.locator("tbody tr").first().waitFor();
    assert.equal(await dialog.locator("tbody tr").count(), 12);
    assert.ok((await dialog.innerText()).includes('"n11"'), "full arguments");
    // One of them is decided by somebody else while the table is read.
    await server.post(`/approvals/${doomed.id}/deny`, {});
    // It is locked until every one of them was in sight.
    const yes = dialog.getByRole("button", { name: "Approve 12 once" });
    assert.equal(await yes.getAttribute("aria-disabled"), "true");
    await yes.click({ force: true });
    assert.equal(upstream.writes().length, 0);
    await dialog.locator("tbody tr").last().scrollIntoViewIfNeeded();
    await dialog.locator("table + div").scrollIntoViewIfNeeded();
    await page.waitForFunction(() => [...document.querySelectorAll("[role=dialog] button")].some((each) => each.textContent === "Approve 12 once" && each.getAttribute("aria-disabled") !== "true"));
    await guardOver(page);
    await yes.click();
    await until(() => upstream.writes().length === 11, "eleven calls");
    await dialog.getByText("✕").first().waitFor();
    await until(async () => (await dialog.getByText("● approved").count()) === 11, "eleven results");
    assert.equal((await server.get("/policies")).rules.length, 0, "never a rule");
  },

  async "stop this agent: its questions are denied and its tasks canceled"({ browser, server, upstream }) {
    const agent = await fetch(`${server.address}/api/v1/tasks`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-executor-client": "agent-9/1.0" },
      body: JSON.stringify({ code: create({ name: "a", amount: 1 }) }),
    }).then((response) => response.json());
    const other = await server.submit(create({ name: "b", amount: 2 }));
    const items = await server.pending(2);
    const page = await inbox(browser, server, items.find((each) => each.taskId === agent.id).id);
    await page.getByText("agent-9/1.0").first().waitFor();
    await page.getByRole("button", { name: "Stop this agent" }).click();
    const dialog = page.getByRole("alertdialog");
    await dialog.getByLabel(/Reason/).fill("It went astray");
    await guardOver(page);
    await dialog.getByRole("button", { name: "Deny 1 and cancel 1 task" }).click();
    const ended = await server.settled(agent.id);
    assert.ok(["denied", "canceled", "failed"].includes(ended.status), ended.status);
    assert.equal((await server.get(`/tasks/${other.id}`)).status, "waiting");
    assert.equal(upstream.writes().length, 0);
    // It is paused: whatever it calls next is denied, also what policy would allow.
    const read = (client) =>
      fetch(`${server.address}/api/v1/tasks`, { method: "POST", headers: { "content-type": "application/json", "x-executor-client": client }, body: JSON.stringify({ code: "return await tools.shop.items.listItems()" }) }).then((response) => response.json());
    const before = upstream.received.length;
    await until(async () => (await server.get("/policies")).rules.some((rule) => rule.note.startsWith("Paused")), "the pause");
    assert.equal((await server.settled((await read("agent-9/1.0")).id)).status, "denied");
    assert.equal((await server.settled((await read("agent-8/1.0")).id)).status, "completed");
    assert.equal(upstream.received.length, before + 1);
    await page.goto("/w/local/clients");
    await page.getByRole("listitem").filter({ hasText: "agent-9/1.0" }).getByText("paused").waitFor();
  },

  async "the card says who asks and with which key, which rules were looked at, and what came of it"({ browser, server, upstream }) {
    await server.post("/policies", { effect: "allow", match: { tools: ["shop.items.createItem"], conditions: ["amount < 5"] }, note: "Small ones" });
    const asks = await server.post("/policies", { effect: "ask", match: { tools: ["shop.items.*"], risks: ["write"] }, note: "Writes to the shop" });
    await server.post("/credentials", { source: "shop", value: "canary-of-the-card", auth: "bearer", scope: "workspace" });
    const { secret } = await server.post("/keys", { name: "ana’s laptop" });
    const sent = await fetch(`${server.address}/api/v1/tasks`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${secret}`, "x-executor-client": "careful-agent/2.1" },
      body: JSON.stringify({ code: create({ name: "please-fail", amount: 9, tags: ["*"] }) }),
    }).then((response) => response.json());
    const [approval] = await server.pending();
    const page = await inbox(browser, server, approval.id);
    const card = page.locator("#item");
    await card.getByText("careful-agent/2.1").first().waitFor();
    await card.getByText("(as it calls itself) over the API").waitFor();
    await card.getByRole("link", { name: "“ana’s laptop”" }).waitFor();
    await card.getByRole("link", { name: "“Writes to the shop”" }).waitFor();
    // A word for the risk never stands without its reasons.
    for (const reason of ["POST method", "goes to 127.0.0.1", "a wildcard in tags", "amount is 9", "opened by a credential that the whole workspace shares"]) await card.getByText(reason).waitFor();
    await card.getByText("Rules that were looked at").click();
    const rules = card.getByRole("listitem");
    await rules.filter({ hasText: "Small ones" }).filter({ hasText: "◐ nearly" }).waitFor();
    await rules.filter({ hasText: "Writes to the shop" }).filter({ hasText: "● matches" }).waitFor();
    assert.equal(approval.rule, asks.id);
    await card.getByText("approval_denied: a reviewer denied the call to shop.items.createItem").waitFor();
    assert.ok(!(await page.content()).includes("canary-of-the-card"));
    await approveUnlocked(page);
    await page.getByTestId("approve").click();
    await server.settled(sent.id);
    assert.equal(upstream.writes().length, 1);
    // It was approved, and it failed: both are said.
    await page.goto(`/approvals/${approval.id}`);
    await page.getByTestId("outcome").getByText("approved").waitFor();
    await page.getByTestId("outcome").getByText("The call then:").getByText("failed").waitFor();
    assert.deepEqual(page.faults, []);
  },

  async "what a source asks is answered by whoever runs the task, as text and in a form"({ browser, server, upstream }) {
    await server.post("/sources", { url: `${upstream.address}/mcp/asking`, kind: "mcp", name: "asking", allowPrivate: true });
    await server.post("/policies", { effect: "allow", match: { tools: ["asking.**"] } });
    const admin = await server.post("/members", { name: "Ada", role: "admin" });
    const { secret } = await server.post("/keys", { name: "of Ada", member: admin.id });
    const task = await server.submit("return await tools.asking.book();");
    const [approval] = await server.pending();
    assert.equal(approval.question, "input");
    const page = await inbox(browser, server, approval.id);
    const form = page.getByRole("form", { name: "What the source asks" });
    await form.getByText("asking asks you").waitFor();
    // Its words are text, and its page says whose it is.
    await form.getByText("For <b>whom</b> is it?").waitFor();
    const visit = form.getByRole("link", { name: "Open a page of login.example" });
    assert.equal(await visit.getAttribute("href"), "https://login.example/confirm?for=1");
    assert.match(await visit.getAttribute("rel"), /noopener/);
    assert.equal(await page.getByTestId("approve").count(), 0, "a yes is no answer");
    await form.getByRole("textbox", { name: "name", exact: true }).fill("Ada");
    await form.getByRole("button", { name: "Give size" }).click();
    await form.getByRole("combobox").selectOption({ label: "Large" });
    assert.deepEqual(await violations(page), []);
    // Another person, whatever the role, cannot answer.
    const theirs = await openPage(browser, server);
    await theirs.route("**/api/**", (route) => route.continue({ headers: { ...route.request().headers(), authorization: `Bearer ${secret}` } }));
    await theirs.goto(`/w/local/approvals/${approval.id}`);
    assert.equal(await theirs.getByRole("button", { name: "Answer" }).getAttribute("aria-disabled"), "true");
    await theirs.context().close();
    await form.getByRole("button", { name: "Answer" }).click();
    const done = await server.settled(task.id);
    assert.equal(done.status, "completed", JSON.stringify(done.error));
    assert.deepEqual(done.result.answers.who, { action: "accept", content: { name: "Ada", size: "large" } });
    assert.equal(done.result.answers.visit.action, "accept");
    // A no reaches the source as one.
    const second = await server.submit("return await tools.asking.book();");
    const again = await until(async () => (await server.get("/approvals?status=pending")).items.find((each) => each.taskId === second.id), "the second question");
    await page.goto(`/approvals/${again.id}`);
    await page.getByRole("button", { name: "Decline" }).waitFor();
    await guardOver(page);
    await page.getByRole("button", { name: "Decline" }).click();
    const declined = await server.settled(second.id);
    assert.equal(declined.result.answers.who.action, "decline");
    assert.deepEqual(page.faults, []);
  },

  async "a thousand that wait: the soonest come first, few are drawn, and more are read when they are asked for"({ browser, server }) {
    const much = await startServer({ home: await seeded(server, { waiting: 1_000 }) });
    try {
      const page = await openPage(browser, much);
      await page.goto("/approvals");
      const list = page.getByRole("list", { name: "Pending approvals" });
      await list.getByRole("listitem").nth(3).waitFor();
      await page.getByRole("link", { name: /Approvals/ }).getByText("200+").first().waitFor();
      const drawn = () => list.getByRole("listitem").count();
      assert.ok((await drawn()) <= 40, `${await drawn()} rows`);
      const size = async () => Number(await list.getByRole("listitem").first().getAttribute("aria-setsize"));
      assert.equal(await size(), 200);
      // What is answered next is what expires next.
      const [soonest] = (await much.get("/approvals?status=pending&order=soonest&limit=1")).items;
      const [newest] = (await much.get("/approvals?status=pending&limit=1")).items;
      assert.notEqual(soonest.id, newest.id);
      await page.waitForURL(`**/approvals/${soonest.id}`);
      await page.keyboard.press("j");
      await page.waitForURL((url) => !url.pathname.endsWith(soonest.id));
      await page.getByRole("button", { name: "Read those that expire later" }).click();
      await until(async () => (await size()) === 400, "the second page");
      assert.ok((await drawn()) <= 40, `${await drawn()} rows`);
      assert.deepEqual(await violations(page), []);
      assert.deepEqual(page.faults, []);
    } finally {
      await much.stop();
    }
  },

  async "who runs the task cannot approve where the rule says so; a key decides nothing"({ browser, server, upstream }) {
    await server.post("/policies", { effect: "ask", match: { tools: ["shop.**"] }, ask: { requesterMay: false, count: 1, mayEdit: false } });
    await server.submit(create({ name: "x", amount: 1 }));
    const [approval] = await server.pending();
    const page = await inbox(browser, server, approval.id);
    const approve = page.getByTestId("approve");
    await page.getByText("2 of 2 shown").waitFor();
    assert.equal(await approve.getAttribute("aria-disabled"), "true");
    assert.match(await approve.getAttribute("title"), /another person must/);
    const { secret } = await server.post("/keys", { name: "agent" });
    const key = apiOf(server.address, secret);
    for (const verb of ["approve", "deny"]) {
      const answer = await key.send("POST", `/approvals/${approval.id}/${verb}`, { digest: approval.digest });
      assert.equal(answer.status, 403, verb);
    }
    // Nothing of what a model is offered decides.
    const speak = (message, session) =>
      fetch(`${server.address}/mcp`, {
        method: "POST",
        headers: { authorization: `Bearer ${secret}`, "content-type": "application/json", accept: "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18", ...(session ? { "mcp-session-id": session } : {}) },
        body: JSON.stringify({ jsonrpc: "2.0", ...message }),
      });
    const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "a model's", version: "1" } };
    const session = (await speak({ id: 1, method: "initialize", params })).headers.get("mcp-session-id");
    await speak({ method: "notifications/initialized" }, session);
    const said = await (await speak({ id: 2, method: "tools/list", params: {} }, session)).text();
    assert.ok(said.includes("search_tools"), said);
    assert.ok(!/"name":\s*"[^"]*(approve|deny|decide)/.test(said), said);
    // Nor does a call of what might be called so.
    let n = 3;
    for (const name of ["approve", "deny", "decide_approval", "approvals.approve", "answer_approval"]) {
      const tried = await (await speak({ id: n++, method: "tools/call", params: { name, arguments: { id: approval.id, digest: approval.digest } } }, session)).text();
      assert.match(tried, /"error"|"isError":\s*true/, `${name}: ${tried}`);
    }
    // And a program that a model sends has no such tool.
    const program = "const found = []; for (const path of ['executor.approvals.approve', 'approvals.approve']) { try { let at = tools; for (const part of path.split('.')) at = at[part]; found.push(await at({ id: '" + approval.id + "' })); } catch (e) { found.push(e.code ?? String(e)); } } return found;";
    const sent = await key.send("POST", "/tasks", { code: program });
    const ended = await server.settled(sent.body.id);
    assert.ok(!JSON.stringify(ended.result ?? "").includes('"approved"'), JSON.stringify(ended));
    assert.equal((await server.get(`/approvals/${approval.id}`)).status, "pending");
    assert.equal(upstream.writes().length, 0);
  },

  async "the inbox by keyboard alone; letters can be switched off"({ browser, server, upstream }) {
    for (let n = 1; n <= 3; n++) await server.submit(create({ name: `k${n}`, amount: n }));
    await server.pending(3);
    const page = await openPage(browser, server);
    await page.goto("/");
    await page.getByRole("navigation", { name: "Pages" }).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("a");
    await page.getByTestId("approve").waitFor();
    await page.keyboard.press("j");
    const second = page.url();
    await page.keyboard.press("k");
    assert.notEqual(page.url(), second);
    await page.keyboard.press("e");
    await approveUnlocked(page);
    const first = page.url();
    await page.keyboard.press("a");
    await until(() => upstream.writes().length === 1, "the first call");
    await page.waitForFunction((before) => location.href !== before, first);
    await approveUnlocked(page);
    assert.equal(await page.evaluate(() => document.activeElement?.id), "item", "the focus went to the next item");
    // In a field a letter is a letter.
    await page.keyboard.press("c");
    await page.keyboard.type("as and ds");
    assert.equal(await page.getByLabel("Note to the agent").inputValue(), "as and ds");
    await page.keyboard.press("Escape");
    const denied = page.url();
    await page.keyboard.press("d");
    await until(async () => (await server.get("/approvals?status=denied")).items.length === 1, "the denial");
    // The server knows of it before the page goes on; a reload in between would stay with what is decided.
    await page.waitForFunction((before) => location.href !== before, denied);
    await page.evaluate(() => localStorage.setItem("executor.letters", "off"));
    await page.reload();
    await approveUnlocked(page);
    for (const key of ["a", "d", "s"]) await page.keyboard.press(key);
    assert.equal((await server.pending()).length, 1, "letters are off");
    await page.getByTestId("approve").focus();
    await page.keyboard.press("Enter");
    await until(() => upstream.writes().length === 2, "the last call");
  },

  async "new items wait behind a pill, and what another resolved greys in its place"({ browser, server }) {
    for (let n = 1; n <= 2; n++) await server.submit(create({ name: `o${n}`, amount: n }));
    const before = await server.pending(2);
    const page = await openPage(browser, server);
    await page.goto("/approvals");
    const rows = page.getByRole("list", { name: "Pending approvals" }).getByRole("listitem");
    await rows.nth(1).waitFor();
    const selected = page.url();
    await server.submit(remove);
    await page.getByRole("button", { name: /1 new/ }).waitFor();
    assert.equal(await rows.count(), 2);
    assert.equal(page.url(), selected);
    const other = before.find((each) => !selected.includes(each.id));
    await server.post(`/approvals/${other.id}/deny`, { reason: "elsewhere" });
    await rows.filter({ hasText: "denied" }).waitFor();
    assert.equal(await rows.count(), 2, "it stays where it was");
    assert.equal(page.url(), selected);
    await page.getByRole("button", { name: /1 new/ }).click();
    await rows.filter({ hasText: "deleteItem" }).waitFor();
  },
};
