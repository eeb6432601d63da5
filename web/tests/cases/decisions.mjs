// Decisions that must not happen by accident, and what they carry: dialogs that follow what they are
// about, edits, held keys, and what the server says of a call.
import assert from "node:assert/strict";
import { violations } from "../lib/axe.mjs";
import { approveUnlocked, guardOver, openPage } from "../lib/browser.mjs";
import { until } from "../lib/server.mjs";

const create = (args) => `return await tools.shop.items.createItem(${JSON.stringify(args)});`;

async function open(browser, server, id, more) {
  const page = await openPage(browser, server, more);
  await page.goto(`/w/local/approvals/${id}`);
  await page.locator("#item-title").waitFor();
  return page;
}

/** A page of another person's: what it asks the API carries their key, which may see and not decide. */
async function pageOfAda(browser, server, id) {
  const ada = await server.post("/members", { name: "Ada", role: "admin" });
  const { secret } = await server.post("/keys", { name: "of Ada", member: ada.id });
  const page = await openPage(browser, server);
  const sent = [];
  await page.route("**/api/**", (route) => {
    const request = route.request();
    if (request.method() === "POST" && request.url().includes("/approvals/")) sent.push(request.url());
    return route.continue({ headers: { ...request.headers(), authorization: `Bearer ${secret}` } });
  });
  await page.goto(`/w/local/approvals/${id}`);
  await page.locator("#item-title").waitFor();
  return { page, sent };
}

export default {
  async "a question that is open is about what stood there: an edit by another closes it"({ browser, server, upstream }) {
    await server.post("/policies", { effect: "ask", match: { tools: ["shop.items.createItem"] }, ask: { count: 2, mayEdit: true, requesterMay: true } });
    await server.submit(create({ name: "site-test", amount: 1 }));
    const [approval] = await server.pending();
    const { page, sent } = await pageOfAda(browser, server, approval.id);
    await approveUnlocked(page);
    await page.keyboard.press("Shift+A");
    const dialog = page.getByRole("alertdialog");
    await dialog.getByText(/Approve shop/).waitFor();
    // The first reviewer changes what is asked while the second one reads the question.
    const changed = await server.post(`/approvals/${approval.id}/approve`, { arguments: { name: "site-legacy", amount: 1 } });
    assert.equal(changed.status, "pending");
    assert.notEqual(changed.digest, approval.digest);
    await dialog.waitFor({ state: "detached" });
    await page.getByText("The call was changed while the question was open").waitFor();
    await page.locator("#item").getByText('"site-legacy"').first().waitFor();
    assert.deepEqual(sent, [], "nothing was approved that was not shown");
    assert.equal(upstream.writes().length, 0);
    // What stands there now can be asked about again.
    await approveUnlocked(page);
    await page.keyboard.press("Shift+A");
    await dialog.getByText(/Approve shop/).waitFor();
    await page.context().close();
  },

  async "edited arguments are read to their end, and asked about once more where they destroy"({ browser, server, upstream }) {
    await server.post("/policies", { effect: "ask", match: { tools: ["shop.**"] }, ask: { mayEdit: true, requesterMay: true, count: 1 } });
    await server.submit(`return await tools.shop.items.deleteItem({ id: "item-7" });`);
    const [approval] = await server.pending();
    const page = await open(browser, server, approval.id);
    await guardOver(page);
    await page.getByRole("button", { name: "Edit…" }).click();
    const dialog = page.getByRole("dialog", { name: /Edit the arguments/ });
    const send = dialog.getByRole("button", { name: /Approve once as edited/ });
    assert.equal(await send.getAttribute("aria-disabled"), "true");
    await dialog.getByRole("textbox").fill('{ "id": "item-8" }');
    await dialog.getByRole("button", { name: "Show what would be sent" }).click();
    await dialog.getByText("DELETE method").waitFor();
    await dialog.getByText(`DELETE ${upstream.address}/items/item-8`).waitFor();
    await page.waitForFunction(() => [...document.querySelectorAll("[role=dialog] button")].some((each) => each.textContent.includes("as edited") && each.getAttribute("aria-disabled") !== "true"));
    assert.deepEqual(await violations(page), []);
    await guardOver(page);
    await send.click();
    const sure = page.getByRole("alertdialog");
    await sure.getByText(`DELETE ${upstream.address}/items/item-8`).waitFor();
    await until(() => page.evaluate(() => document.activeElement?.textContent === "Cancel"), "the focus on Cancel");
    assert.equal(upstream.writes().length, 0);
    await page.keyboard.press("Enter");
    await sure.waitFor({ state: "detached" });
    assert.equal((await server.get(`/approvals/${approval.id}`)).status, "pending");
    // Other arguments are looked at again before anything is sent.
    await dialog.getByRole("textbox").fill('{ "id": "item-9" }');
    assert.equal(await send.getAttribute("aria-disabled"), "true");
    await dialog.getByRole("button", { name: "Show what would be sent" }).click();
    await dialog.getByText(`DELETE ${upstream.address}/items/item-9`).waitFor();
    await page.waitForFunction(() => [...document.querySelectorAll("[role=dialog] button")].some((each) => each.textContent.includes("as edited") && each.getAttribute("aria-disabled") !== "true"));
    await guardOver(page);
    await send.click();
    await sure.getByRole("button", { name: "Approve once as edited" }).click();
    await until(() => upstream.writes().length === 1, "the call");
    assert.equal(upstream.writes()[0].url, "/items/item-9");
    assert.deepEqual(page.faults, []);
  },

  async "a key that is held decides one thing, and half a sequence decides nothing"({ browser, server, upstream }) {
    for (let n = 1; n <= 3; n++) await server.submit(create({ name: `h${n}`, amount: n }));
    const [first] = await server.pending(3);
    const page = await open(browser, server, first.id);
    await approveUnlocked(page);
    // An unfinished G and a key that goes with nothing: D alone would deny.
    await page.keyboard.press("g");
    await page.keyboard.press("d");
    await page.keyboard.press("g");
    await page.keyboard.press("Shift+D");
    await guardOver(page);
    assert.equal((await server.pending(3)).length, 3, "half a sequence decides nothing");
    const before = page.url();
    await page.keyboard.down("d");
    await until(async () => (await server.get("/approvals?status=denied")).items.length === 1, "the first denial");
    await page.waitForFunction((from) => location.href !== from, before);
    // The key stays down well beyond the guard of the next item.
    for (let n = 0; n < 4; n++) {
      await guardOver(page);
      await page.keyboard.down("d");
    }
    await page.keyboard.up("d");
    assert.equal((await server.get("/approvals?status=denied")).items.length, 1, "a held key decides once");
    // Let go and pressed again it decides.
    await approveUnlocked(page);
    await page.keyboard.press("d");
    await until(async () => (await server.get("/approvals?status=denied")).items.length === 2, "the second denial");
    assert.equal(upstream.writes().length, 0);
  },

  async "the card compares with the call before, and says what makes the call weigh more"({ browser, server, upstream }) {
    const first = await server.submit(create({ name: "site-test", amount: 100, memo: "old" }));
    const [before] = await server.pending();
    await server.post(`/approvals/${before.id}/approve`, { digest: before.digest });
    await server.settled(first.id);
    await server.submit(create({ amount: 250, name: "site-legacy", tags: ["*"] }));
    const [approval] = await server.pending();
    const page = await open(browser, server, approval.id);
    const card = page.locator("#item");
    await card.getByText('changed from "site-test"').waitFor();
    await card.getByText("In the call before, but not here: memo").waitFor();
    await card.getByText("not in the call before").waitFor();
    const why = await card.getByText(/POST method/).innerText();
    for (const reason of ["amount is 250", "a wildcard in tags"]) assert.ok(why.includes(reason), why);
    assert.ok(!why.includes("first call"), why);
    // The types are the schema's, in its order, not that of the call.
    const shown = await card.locator("dl dt", { hasText: /name|amount/ }).allInnerTexts();
    assert.match(shown.join(" "), /name\s+string, required.*amount\s+integer, required/s);
    await approveUnlocked(page);
    await page.getByTestId("approve").click();
    await until(() => upstream.writes().length === 2, "the call");
    // The list of what was decided says what became of the calls, and the file has every one of them.
    await page.goto("/w/local/approvals?tab=resolved");
    const rows = page.getByRole("list", { name: "Resolved approvals" }).getByRole("listitem");
    await rows.nth(1).waitFor();
    await until(async () => /call\s*●\s*ok/.test(await rows.first().innerText()), "the outcome in the row");
    assert.match(await rows.first().innerText(), /by .* after /);
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
    const text = await file.createReadStream().then(async (stream) => {
      const parts = [];
      for await (const part of stream) parts.push(part);
      return Buffer.concat(parts).toString("utf8");
    });
    const lines = text.split("\r\n");
    assert.equal(lines.length, 3, text);
    assert.match(lines[0], /"call then"/);
    assert.ok(lines.slice(1).every((line) => line.includes('"succeeded"')), text);
    assert.deepEqual(page.faults, []);
  },

  async "a no that stops the task leaves the program no next call"({ browser, server, upstream }) {
    const code = `try { ${create({ name: "x", amount: 1 })} } catch {} await tools.shop.items.listItems(); return "went on";`;
    const task = await server.submit(code.replace("return await tools.shop.items.create", "await tools.shop.items.create"));
    const [approval] = await server.pending();
    const page = await open(browser, server, approval.id);
    await guardOver(page);
    await page.keyboard.press("s");
    const done = await server.settled(task.id);
    assert.equal(done.status, "canceled");
    assert.equal((await server.get(`/approvals/${approval.id}`)).status, "denied");
    assert.equal(upstream.received.length, 0, "neither the call nor one after it");
  },

  async "a rule that is remembered can be wider by a bound, for one client alone"({ browser, server, upstream }) {
    const submit = (client, args) =>
      fetch(`${server.address}/api/v1/tasks`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-executor-client": client },
        body: JSON.stringify({ code: create(args) }),
      }).then((response) => response.json());
    await submit("agent-1/1.0", { name: "pens", amount: 500 });
    const [approval] = await server.pending();
    const page = await open(browser, server, approval.id);
    await approveUnlocked(page);
    await page.keyboard.press("r");
    const dialog = page.getByRole("dialog");
    await dialog.getByText("only for agent-1/1.0").waitFor();
    await dialog.getByLabel("What amount must be").selectOption("<=");
    await dialog.getByLabel("Bound of amount").fill("600");
    await page.getByRole("region", { name: "Backtest" }).waitFor();
    assert.deepEqual(await violations(page), []);
    await dialog.getByRole("button", { name: "Approve and remember" }).click();
    await until(() => upstream.writes().length === 1, "the call");
    const [rule] = (await server.get("/policies")).rules;
    assert.ok(rule.match.conditions.includes("amount <= 600") && rule.match.conditions.includes('name = "pens"'), JSON.stringify(rule));
    assert.deepEqual(rule.match.clients, ["agent-1/1.0"]);
    const within = await submit("agent-1/1.0", { name: "pens", amount: 600 });
    assert.equal((await server.settled(within.id)).status, "completed");
    const beyond = await submit("agent-1/1.0", { name: "pens", amount: 601 });
    const another = await submit("agent-2/1.0", { name: "pens", amount: 600 });
    await server.settled(beyond.id, ["waiting"]);
    await server.settled(another.id, ["waiting"]);
    assert.equal(upstream.writes().length, 2);
  },
};
