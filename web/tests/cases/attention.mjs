// More time, who looks after a question, and telling people no more than they can read.
import assert from "node:assert/strict";
import { violations } from "../lib/axe.mjs";
import { approveUnlocked, openPage } from "../lib/browser.mjs";
import { until } from "../lib/server.mjs";

const create = (n) => `return await tools.shop.items.createItem({ name: "n${n}", amount: ${n} });`;

/** A page in the background, where the system's notes are allowed and written down. */
async function background(browser, server) {
  const page = await openPage(browser, server);
  await page.addInitScript(() => {
    window.said = [];
    window.Notification = class {
      static permission = "granted";
      static requestPermission = async () => "granted";
      constructor(title, { body, tag }) {
        window.said.push({ title, body, tag });
        window.note = this;
      }
      close() {
        window.noteClosed = true;
      }
    };
    Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
    localStorage.setItem("executor.notify", "on");
  });
  return page;
}

/** Opens a page; what waits at that time is known to it. */
async function known(page, path) {
  const read = page.waitForResponse((answer) => answer.url().includes("/api/v1/approvals?") && answer.ok());
  await page.goto(path);
  await read;
  await page.locator("h1, h2").first().waitFor();
}

const said = (page) => page.evaluate(() => window.said);

export default {
  async "more time by a button, once, and another's card follows"({ browser, server, upstream }) {
    const task = await server.submit(create(1));
    const [asked] = await server.pending();
    const pages = [];
    for (let n = 0; n < 2; n++) {
      const page = await openPage(browser, server);
      await page.goto(`/approvals/${asked.id}`);
      await page.getByRole("button", { name: "Extend by 30 min" }).waitFor();
      pages.push(page);
    }
    const [one, two] = pages;
    await one.getByRole("button", { name: "Extend by 30 min" }).click();
    for (const page of pages) {
      await page.getByText(/extended by /).waitFor();
      assert.equal(await page.getByRole("button", { name: /^Extend/ }).count(), 0);
    }
    const longer = await server.get(`/approvals/${asked.id}`);
    assert.equal(Date.parse(longer.expiresAt) - Date.parse(asked.expiresAt), asked.extendsByMs);
    assert.equal((await server.send("POST", `/approvals/${asked.id}/extend`)).body.code, "already_extended");
    // What was seen before is what is asked, and is approved as it is.
    await approveUnlocked(two);
    await two.getByTestId("approve").click();
    assert.equal((await server.settled(task.id)).status, "completed");
    assert.equal(upstream.writes().length, 1);
    for (const page of pages) assert.deepEqual(page.faults, []);
  },

  async "a question is given to somebody, and Mine holds what is left to the person"({ browser, server }) {
    const ada = await server.post("/members", { name: "Ada", role: "admin" });
    await server.post("/members", { name: "Bob", role: "member" });
    await server.submit(create(1));
    const [asked] = await server.pending();
    const page = await openPage(browser, server);
    await page.goto(`/approvals/${asked.id}`);
    const choice = page.getByLabel("Who looks after it");
    await choice.locator("option", { hasText: "Ada" }).waitFor({ state: "attached" });
    assert.deepEqual(await choice.locator("option").allInnerTexts(), ["Assigned to nobody", "Assigned to me", "Assigned to Ada"]);
    // C goes to the note, and one step on is the choice.
    await page.locator("#item").focus();
    await page.keyboard.press("c");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "note");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")), "Who looks after it");
    await choice.selectOption(ada.id);
    const rows = (name) => page.getByRole("list", { name: `${name} approvals` }).getByRole("listitem");
    await rows("Pending").filter({ hasText: "assigned to Ada" }).waitFor();
    assert.equal((await server.get(`/approvals/${asked.id}`)).assigned.to, ada.id);
    assert.deepEqual(await violations(page), []);
    await page.getByRole("link", { name: "Mine" }).click();
    await page.getByText("Nothing waits for you").waitFor();
    await page.goto(`/approvals/${asked.id}`);
    await choice.selectOption({ label: "Assigned to me" });
    await rows("Pending").filter({ hasText: "assigned to" }).filter({ hasNotText: "Ada" }).waitFor();
    await page.getByRole("link", { name: "Mine" }).click();
    await rows("Mine").filter({ hasText: "createItem" }).waitFor();
    await choice.selectOption("nobody");
    await until(async () => !(await server.get(`/approvals/${asked.id}`)).assigned, "nobody to look after it");
    assert.deepEqual(page.faults, []);
  },

  async "what comes too fast is one note, and quiet hours hold notes back, not the count"({ browser, server }) {
    const page = await background(browser, server);
    await known(page, "/w/local/tasks");
    await server.submit(create(0));
    await page.waitForFunction(() => window.said.length === 1);
    assert.deepEqual((await said(page))[0].body, "shop.items.createItem of node waits for a decision (write)");
    for (let n = 1; n < 8; n++) await server.submit(create(n));
    await page.waitForFunction(() => window.said.at(-1).body === "8 calls wait for a decision");
    const notes = await said(page);
    assert.equal(notes.at(-1).tag, "digest", "one takes the place of the one before");
    assert.ok(notes.filter((each) => each.tag !== "digest").length <= 5, JSON.stringify(notes));
    await page.getByRole("status").getByText("8 calls wait for a decision").waitFor();
    assert.equal(await page.getByText(/\d calls wait for a decision/).count(), 1);

    await known(page, "/w/local/settings/notifications");
    const hour = (from) => String((new Date().getHours() + from + 24) % 24).padStart(2, "0");
    const panel = page.getByRole("region", { name: "This browser" });
    await panel.getByLabel("Quiet hours", { exact: true }).check();
    await panel.getByLabel("to", { exact: true }).fill(`${hour(2)}:08`);
    await panel.getByLabel("from", { exact: true }).fill(`${hour(-1)}:07`);
    await page.waitForFunction((kept) => localStorage.getItem("executor.quiet") === kept, `${hour(-1)}:07-${hour(2)}:08`);
    assert.deepEqual(await violations(page), []);
    for (let n = 8; n < 10; n++) await server.submit(create(n));
    await page.waitForFunction(() => document.title.startsWith("(10) "));
    assert.deepEqual(await said(page), []);
    assert.equal(await page.getByText(/wait for a decision/).count(), 0);
    // When they end, what waited is told as one.
    await panel.getByLabel("Quiet hours", { exact: true }).uncheck();
    await page.waitForFunction(() => window.said.length === 1);
    assert.equal((await said(page))[0].body, "10 calls wait for a decision");
    assert.deepEqual(page.faults, []);
  },

  async "a page that is reloaded in its quiet hours tells once, when they end, what waits still"({ browser, server }) {
    const page = await background(browser, server);
    const hour = (from) => String((new Date().getHours() + from + 24) % 24).padStart(2, "0");
    const hours = `${hour(-1)}:07-${hour(2)}:08`;
    await known(page, "/w/local/tasks");
    await page.evaluate((kept) => localStorage.setItem("executor.quiet", kept), hours);
    await known(page, "/w/local/tasks");
    for (let n = 0; n < 3; n++) await server.submit(create(n));
    await page.waitForFunction(() => document.title.startsWith("(3) "));
    await known(page, "/w/local/settings/notifications");
    await page.waitForFunction(() => document.title.startsWith("(3) "));
    // One that was answered meanwhile does not wait any more.
    const [answered] = await server.pending(3);
    await server.post(`/approvals/${answered.id}/deny`, { reason: "not now" });
    await page.waitForFunction(() => document.title.startsWith("(2) "));
    assert.deepEqual(await said(page), []);
    await page.getByRole("region", { name: "This browser" }).getByLabel("Quiet hours", { exact: true }).uncheck();
    await page.waitForFunction(() => window.said.length > 0);
    assert.deepEqual((await said(page)).map((each) => each.body), ["2 calls wait for a decision"]);
    // What comes now is told as ever.
    await server.submit(create(3));
    await page.waitForFunction(() => window.said.length === 2);
    assert.equal((await said(page))[1].body, "shop.items.createItem of node waits for a decision (write)");
    assert.deepEqual(page.faults, []);
  },

  async "a webhook for people in Slack, with quiet hours"({ browser, server }) {
    const page = await openPage(browser, server);
    await page.goto("/w/local/settings/notifications");
    await page.getByLabel("Address of a new webhook").fill("https://hooks.slack.com/services/T0/B0/a-secret-path");
    await page.getByLabel(/^Who reads it/).selectOption("slack");
    await page.getByLabel("quiet hours", { exact: true }).check();
    await page.getByRole("button", { name: "Add the webhook" }).click();
    await page.getByRole("button", { name: "I have it" }).click();
    await page.getByText(/Slack, quiet 22:00-07:00[+-]\d\d:\d\d/).waitFor();
    const [hook] = (await server.get("/webhooks")).items;
    assert.equal(hook.format, "slack");
    assert.deepEqual(hook.events, ["approval.pending", "approval.changed", "approval.resolved"]);
    const row = page.getByRole("listitem").filter({ hasText: "hooks.slack.com" });
    await row.getByLabel("from").fill("21:30");
    await until(async () => (await server.get("/webhooks")).items[0].quietHours?.startsWith("21:30-07:00"), "other hours");
    await row.getByLabel("quiet hours").click();
    await until(async () => !(await server.get("/webhooks")).items[0].quietHours, "no hours");
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(page.faults, []);
  },

  async "a note names the client, arguments only where they are wanted, and leads to the call"({ browser, server, upstream }) {
    const submit = (args) =>
      fetch(`${server.address}/api/v1/tasks`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-executor-client": "agent-7/1.0" },
        body: JSON.stringify({ code: `return await tools.shop.items.createItem(${JSON.stringify(args)});` }),
      });
    const page = await background(browser, server);
    await known(page, "/w/local/tasks");
    await submit({ name: "quiet-value", amount: 1 });
    await page.waitForFunction(() => window.said.length === 1);
    assert.equal((await said(page))[0].body, "shop.items.createItem of agent-7/1.0 waits for a decision (write)");
    const [asked] = await server.pending();
    await page.evaluate(() => window.note.onclick());
    await page.waitForURL(`**/w/local/approvals/${asked.id}`);
    assert.equal(await page.evaluate(() => window.noteClosed), true);
    assert.equal(upstream.writes().length, 0, "a click decides nothing");
    await known(page, "/w/local/settings/notifications");
    await page.getByLabel(/Show the beginning of a call's arguments/).check();
    await submit({ name: "shown-value", amount: 2 });
    await page.waitForFunction(() => window.said.some((each) => each.body.includes("shown-value")));
    assert.deepEqual(page.faults, []);
  },
};
