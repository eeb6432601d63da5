// Tasks as they run: the list, the timeline, code, logs, cancel, run again.
import assert from "node:assert/strict";
import { openPage } from "../lib/browser.mjs";

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
    await row.getByText("waiting").waitFor();
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
    await editor.click();
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.insertText("return await tools.shop.items.createItem({ nam: 'x', amount: 1 });");
    await page.getByText(/did you mean/).first().waitFor();
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.insertText("return await tools.shop.items.listItems();");
    const forecast = page.getByRole("list", { name: "Policy forecast" });
    await forecast.getByText("allow").waitFor();
    await page.keyboard.press("ControlOrMeta+Enter");
    await page.getByText("pen").first().waitFor();
    assert.equal(upstream.received.filter((each) => each.method === "GET").length, 1);
    // The draft survives the page.
    await page.reload();
    await editor.getByText("listItems").waitFor();
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
};
