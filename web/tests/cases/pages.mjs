// The other pages: tools, sources, policies, clients, keys, audit.
import assert from "node:assert/strict";
import { approveUnlocked, openPage } from "../lib/browser.mjs";
import { apiOf, until } from "../lib/server.mjs";

export default {
  async "try it: form and JSON are one value, and the call goes through the gate"({ browser, server, upstream }) {
    const page = await openPage(browser, server);
    await page.goto("/tools");
    await page.getByRole("searchbox", { name: "Search tools" }).fill("create an item");
    await page.getByRole("link", { name: /shop\.items\.createItem/ }).click();
    await page.getByRole("button", { name: "Try it" }).click();
    await page.getByLabel("name", { exact: true }).fill("from the form");
    await page.getByLabel("amount", { exact: true }).fill("77");
    await page.getByRole("button", { name: "Give owner" }).click();
    await page.getByLabel("id", { exact: true }).fill("o1");
    await page.getByRole("button", { name: "Give shape" }).click();
    await page.getByLabel("Kind of shape").or(page.getByLabel("shape", { exact: true })).first().selectOption({ index: 1 });
    await page.getByLabel("side", { exact: true }).fill("2.5");
    await page.getByRole("button", { name: "JSON", exact: true }).click();
    const json = page.getByLabel("Arguments as JSON");
    const expected = { name: "from the form", amount: 77, owner: { id: "o1" }, shape: { side: 2.5 } };
    const value = JSON.parse(await json.inputValue());
    assert.deepEqual(value, expected);
    await json.fill(JSON.stringify({ ...expected, amount: 78 }));
    await page.getByRole("button", { name: "Form" }).click();
    assert.equal(await page.getByLabel("amount", { exact: true }).inputValue(), "78");
    await page.getByRole("button", { name: "Run once" }).click();
    await page.locator("#main").getByRole("link", { name: "Review" }).click();
    await approveUnlocked(page);
    await page.getByTestId("approve").click();
    await until(() => upstream.writes().length === 1, "the call");
    assert.deepEqual(JSON.parse(upstream.writes()[0].body), { ...expected, amount: 78 });
    assert.deepEqual(page.faults, []);
  },

  async "the wizard adds a source, says why another cannot be added, and a refresh shows its difference"({ browser, server, upstream }) {
    const page = await openPage(browser, server);
    await page.goto("/sources");
    await page.getByRole("link", { name: "Add a source" }).click();
    const where = page.getByLabel(/Address of a description/);
    await where.fill(`${upstream.address}/nothing-here`);
    await page.getByRole("button", { name: "Add the source" }).click();
    await page.getByRole("alert").waitFor();
    const said = await page.getByRole("alert").innerText();
    assert.ok(said.length > 20, said);
    await where.fill(JSON.stringify({ openapi: "3.1.0", info: { title: "Tiny", version: "1" }, servers: [{ url: "https://api.example.com" }], paths: { "/a": { get: { operationId: "getA", responses: { 200: { description: "ok" } } }, delete: { operationId: "deleteA", responses: { 204: { description: "ok" } } } } } }));
    await page.getByRole("button", { name: "Add the source" }).click();
    await page.getByRole("heading", { name: "What it can do" }).waitFor();
    await page.getByText(/destructive/i).first().waitFor();
    await page.goto("/sources");
    await page.getByRole("link", { name: "shop" }).click();
    await page.getByRole("button", { name: "Look for changes" }).click();
    await page.getByText("Nothing: the description is the same.").waitFor();
    assert.equal((await server.get("/sources")).items.length, 2);
  },

  async "a rule is tried on recorded calls before it is saved, and can be undone"({ browser, server }) {
    const task = await server.submit("return await tools.shop.items.listItems()");
    await server.settled(task.id);
    const page = await openPage(browser, server);
    await page.goto("/policies");
    await page.getByRole("link", { name: "Add a rule" }).click();
    await page.getByLabel("When the tool is").fill("shop.items.list*");
    await page.getByRole("radio", { name: "deny" }).check();
    await page.getByLabel("Note").fill("No lists today");
    const save = page.getByRole("button", { name: "Save" });
    assert.equal(await save.getAttribute("aria-disabled"), "true");
    await page.getByRole("button", { name: "See what it would do" }).click();
    await page.getByText(/1 call would be decided otherwise/).waitFor();
    assert.equal((await server.get("/policies")).rules.length, 0);
    await save.click();
    await until(async () => (await server.get("/policies")).rules.length === 1, "the rule");
    const after = await server.submit("return await tools.shop.items.listItems()");
    assert.equal((await server.settled(after.id)).status, "denied");
    await page.goto("/w/local/policies/test");
    await page.getByLabel("Tool", { exact: true }).fill("shop.items.listItems");
    await page.getByRole("button", { name: "Ask policy" }).click();
    await page.getByText("No lists today").waitFor();
    await page.goto("/w/local/policies/history");
    await page.getByRole("link", { name: /added/ }).click();
    await page.getByRole("button", { name: "Undo this change" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Undo it" }).click();
    await until(async () => (await server.get("/policies")).rules.length === 0, "the way back");
    assert.deepEqual(page.faults, []);
  },

  async "a client's snippet parses, its key works, and the page sees it connect"({ browser, server }) {
    const page = await openPage(browser, server);
    await page.goto("/clients");
    const cards = ["Claude Code", "Codex", "Cursor", "VS Code", "Gemini CLI", "opencode", "Claude Desktop", "Another client"];
    for (const name of cards) {
      await page.getByRole("button", { name, exact: true }).click();
      const text = await page.getByTestId("snippet").innerText();
      if (text.startsWith("{")) JSON.parse(text);
      else assert.ok(text.includes("/mcp"), text);
    }
    await page.getByRole("button", { name: "Cursor", exact: true }).click();
    await page.getByRole("button", { name: "Make a key for Cursor" }).click();
    const link = page.getByRole("link", { name: "Install in Cursor" });
    const href = await link.getAttribute("href");
    const config = JSON.parse(Buffer.from(new URL(href).searchParams.get("config"), "base64").toString("utf8"));
    const secret = config.headers.Authorization.replace("Bearer ", "");
    assert.match(secret, /^exk_/);
    assert.equal(config.url, `${server.address}/mcp`);
    await page.getByText("waiting for it to connect").waitFor();
    const initialize = { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "cursor", version: "1" } } };
    const answer = await fetch(config.url, { method: "POST", headers: { ...config.headers, "content-type": "application/json", accept: "application/json, text/event-stream" }, body: JSON.stringify(initialize) });
    assert.equal(answer.status, 200);
    await page.getByText(/connected/).waitFor();
    // The secret is gone with the page.
    await page.reload();
    await page.getByRole("heading", { name: "Clients" }).waitFor();
    assert.ok(!(await page.content()).includes(secret));
    assert.ok(!(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).includes(secret));
  },

  async "a key is shown once and can be revoked; a credential's value never comes back"({ browser, server }) {
    const page = await openPage(browser, server);
    await page.goto("/w/local/settings/keys");
    await page.getByLabel("Name of the new key").fill("nightly");
    await page.getByRole("button", { name: "Make a key" }).click();
    const secret = await page.getByTestId("secret").innerText();
    assert.match(secret, /^exk_/);
    await page.getByRole("button", { name: "I have it" }).click();
    assert.ok(!(await page.content()).includes(secret));
    assert.equal((await apiOf(server.address, secret).send("GET", "/me")).status, 200);
    await page.getByRole("button", { name: "Revoke nightly" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Revoke the key" }).click();
    await until(async () => (await apiOf(server.address, secret).send("GET", "/me")).status === 401, "the key to be refused");
    await page.goto("/credentials");
    await page.getByRole("button", { name: "Add a credential" }).click();
    const bodies = [];
    page.on("response", (response) => void response.text().then((text) => bodies.push(text)).catch(() => undefined));
    const dialog = page.getByRole("dialog");
    await dialog.locator("select").first().selectOption("shop");
    await dialog.getByLabel("How it is attached").selectOption("bearer");
    await dialog.getByLabel(/^Value/).fill("canary-5f1c-value");
    await dialog.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Test the credential of shop" }).waitFor();
    await page.goto("/audit");
    await page.getByText("credential.").first().waitFor();
    assert.ok(!(await page.content()).includes("canary-5f1c-value"));
    assert.ok(!bodies.some((text) => text.includes("canary-5f1c-value")));
    await page.getByRole("button", { name: "Verify the chain" }).click();
    await page.getByText(/The chain holds/).waitFor();
  },
};
