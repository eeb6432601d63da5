// The other pages: tools, sources, policies, clients, keys, audit.
import assert from "node:assert/strict";
import { approveUnlocked, openPage } from "../lib/browser.mjs";
import { apiOf, until } from "../lib/server.mjs";
import { GRAPHQL } from "../lib/upstream.mjs";

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
    await page.getByText("More", { exact: true }).click();
    await page.getByLabel("Its host may be on a private network").check();
    await page.getByRole("button", { name: "Look at it" }).click();
    await page.getByRole("alert").waitFor();
    const said = await page.getByRole("alert").innerText();
    assert.match(said, /nothing-here/);
    await page.getByRole("region", { name: "What was tried" }).getByRole("listitem").filter({ hasText: "/nothing-here" }).filter({ hasText: "200 application/json" }).first().waitFor();
    await where.fill(JSON.stringify({ openapi: "3.1.0", info: { title: "Tiny", version: "1" }, servers: [{ url: "https://api.example.com" }], paths: { "/a": { get: { operationId: "getA", responses: { 200: { description: "ok" } } }, delete: { operationId: "deleteA", responses: { 204: { description: "ok" } } } } } }));
    await page.getByRole("button", { name: "Look at it" }).click();
    const can = page.getByRole("region", { name: "What it can do" });
    await page.getByText("OpenAPI 3.1, 2 operations").waitFor();
    await can.getByRole("listitem").filter({ hasText: "deleteA" }).getByText("destructive").waitFor();
    assert.equal((await server.get("/sources")).items.length, 1, "a look adds nothing");
    // What is not wanted is left out, and what is left passes or asks as was chosen.
    await can.getByRole("checkbox", { name: /deleteA/ }).uncheck();
    await can.getByText("1 tool left out").waitFor();
    await can.getByLabel("Where no other rule decides").selectOption("ask");
    await page.getByRole("button", { name: "Add the source" }).click();
    await page.getByRole("link", { name: /^Try tiny\./ }).waitFor();
    const decided = async (path) => (await server.get(`/tools?namespace=${path}&limit=5`)).results.map((each) => each.decision);
    assert.deepEqual(await decided("tiny.getA"), ["ask"]);
    const denied = await server.submit("return await tools.tiny.deleteA()");
    assert.equal((await server.settled(denied.id)).status, "denied");
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

  async "what the backtest says is what the engine does then"({ browser, server }) {
    const calls = ["getItem({ id: 'a' })", "getItem({ id: 'b' })", "getItem({ id: 'b' })", "getItem({ id: 'c' })", "listItems()"];
    const run = async () => {
      const tasks = await Promise.all(calls.map((call) => server.submit(`return await tools.shop.items.${call}`)));
      return Promise.all(tasks.map(async ({ id }) => (await server.settled(id, ["completed", "failed", "denied", "waiting"])).status));
    };
    assert.deepEqual(new Set(await run()), new Set(["completed"]));
    const page = await openPage(browser, server);
    await page.goto("/w/local/policies/new");
    await page.getByLabel("When the tool is").fill("shop.items.*");
    await page.getByRole("button", { name: "Add a condition" }).click();
    await page.getByLabel("Condition 1", { exact: true }).fill('id = "b"');
    await page.getByRole("radio", { name: "deny" }).check();
    await page.getByRole("button", { name: "See what it would do" }).click();
    const said = page.getByRole("region", { name: "Backtest" });
    await said.getByText("Tried on 5 recorded calls: 3 calls would be decided otherwise.").waitFor();
    await said.getByRole("listitem").filter({ hasText: /3.*allow.*deny/ }).waitFor();
    await said.getByText("List 3 of them").click();
    assert.equal(await said.getByRole("link", { name: /^call 1$/ }).count(), 3);
    await page.getByRole("button", { name: "Save" }).click();
    await until(async () => (await server.get("/policies")).rules.length === 1, "the rule");
    const then = await run();
    // Where the argument is missing, a rule that denies holds too.
    assert.deepEqual(then, ["completed", "denied", "denied", "completed", "denied"]);
    assert.deepEqual(page.faults, []);
  },

  async "a key is shown once and can be revoked; a credential's value never comes back"({ browser, server }) {
    const page = await openPage(browser, server);
    await page.goto("/w/local/settings/keys");
    await page.getByLabel("Name of the new key").fill("nightly");
    await page.getByRole("button", { name: "Make a key" }).click();
    const secret = await page.getByTestId("secret").innerText();
    assert.match(secret, /^exk_/);
    const later = [];
    page.on("response", (response) => void response.text().then((text) => later.push(text)).catch(() => undefined));
    await page.getByRole("button", { name: "I have it" }).click();
    assert.ok(!(await page.content()).includes(secret));
    // Its beginning tells it from others, and is the lesser part of it.
    await page.getByRole("listitem").filter({ hasText: "nightly" }).getByText(`${secret.slice(0, 12)}…`).waitFor();
    assert.equal((await apiOf(server.address, secret).send("GET", "/me")).status, 200);
    await page.getByRole("button", { name: "Revoke nightly" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Revoke the key" }).click();
    await until(async () => (await apiOf(server.address, secret).send("GET", "/me")).status === 401, "the key to be refused");
    // Everything that a browser keeps, and every address that it went to.
    const addresses = [];
    page.on("framenavigated", (frame) => addresses.push(frame.url()));
    page.on("request", (request) => addresses.push(request.url()));
    const kept = async () =>
      JSON.stringify(await page.context().cookies()) +
      addresses.join("\n") +
      (await page.evaluate(async () => {
        const parts = [JSON.stringify({ ...localStorage, ...sessionStorage }), location.href, JSON.stringify(history.state), window.name];
        for (const { name } of (await indexedDB.databases?.()) ?? []) {
          const database = await new Promise((resolve, reject) => {
            const opened = indexedDB.open(name);
            opened.onsuccess = () => resolve(opened.result);
            opened.onerror = () => reject(opened.error);
          });
          for (const store of database.objectStoreNames) {
            const rows = database.transaction(store).objectStore(store).getAll();
            parts.push(await new Promise((resolve) => (rows.onsuccess = () => resolve(JSON.stringify(rows.result)))));
          }
          database.close();
        }
        for (const name of (await globalThis.caches?.keys()) ?? []) {
          const cache = await caches.open(name);
          for (const request of await cache.keys()) parts.push(request.url, (await (await cache.match(request)).text()));
        }
        // What was typed stands in no field any more.
        for (const field of document.querySelectorAll("input, textarea")) parts.push(field.value);
        return parts.join("\n");
      }));
    await page.goto("/credentials");
    await page.getByRole("button", { name: "Add a credential" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.locator("select").first().selectOption("shop");
    await dialog.getByLabel("How it is attached").selectOption("bearer");
    await dialog.getByLabel(/^Value/).fill("canary-5f1c-value");
    await dialog.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Test the credential of shop" }).waitFor();
    await page.goto("/audit");
    await page.getByText("credential.").first().waitFor();
    // Neither is anywhere afterwards: not in the page, not in what the browser keeps, not in an answer.
    for (const value of [secret, "canary-5f1c-value"]) {
      assert.ok(!(await page.content()).includes(value));
      assert.ok(!(await kept()).includes(value));
      assert.ok(later.length > 5 && !later.some((text) => text.includes(value)));
    }
    assert.ok(addresses.length > 5 && (await kept()).includes("/audit"), "what is kept was looked at");

    // Filters are in the address, and the whole chain is a file.
    await page.getByLabel("Through what").selectOption("cli");
    await page.getByText(/No entry matches/).waitFor();
    assert.match(page.url(), /channel=cli/);
    await page.getByText(/An export is the organization's whole chain/).waitFor();
    await page.getByLabel("Through what").selectOption("");
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Export JSONL" }).click()]);
    assert.match(file.suggestedFilename(), /audit\.jsonl$/);
    await page.getByRole("button", { name: "Verify the chain" }).click();
    await page.getByText(/The chain holds/).waitFor();
  },

  async "the wizard takes GraphQL and MCP, and says what was tried where nothing is"({ browser, server, upstream }) {
    const page = await openPage(browser, server);
    const where = page.getByLabel(/Address of a description/);
    const look = page.getByRole("button", { name: "Look at it" });
    const add = page.getByRole("button", { name: "Add the source" });
    const more = async (isPrivate) => {
      await page.goto("/w/local/sources/new");
      await page.getByText("More", { exact: true }).click();
      if (isPrivate) await page.getByLabel("Its host may be on a private network").check();
    };
    await more(false);
    await where.fill("this is no description of anything");
    await look.click();
    await page.getByRole("alert").waitFor();
    await more(false);
    await where.fill(`${upstream.address}/openapi.json`);
    await look.click();
    // The private address is named, and what would let it through.
    await page.getByRole("alert").filter({ hasText: /private/i }).waitFor();
    await more(true);
    await where.fill(GRAPHQL);
    await page.getByLabel("Name its tools begin with").fill("graph");
    await page.getByLabel("Address to send calls to").fill(`${upstream.address}/graphql`);
    await look.click();
    await page.getByRole("checkbox", { name: /graph\..*createItem/ }).waitFor();
    await page.getByLabel("Taken for").locator("option:checked", { hasText: "GraphQL" }).waitFor({ state: "attached" });
    await add.click();
    await page.getByRole("link", { name: /^Try graph\./ }).waitFor();
    await more(true);
    await where.fill(`${upstream.address}/mcp`);
    await page.getByLabel("Name its tools begin with").fill("notes");
    await look.click();
    await page.getByRole("checkbox", { name: /notes\.addNote/ }).waitFor();
    await add.click();
    await page.getByRole("link", { name: /^Try notes\./ }).waitFor();
    const kinds = (await server.get("/sources")).items.map((each) => each.kind).sort();
    assert.deepEqual(kinds, ["graphql", "mcp", "openapi"]);
    // A known service fills in what is known of it; what differs for each customer is asked for.
    await page.goto("/w/local/sources/new");
    const known = page.getByRole("region", { name: "Known services" });
    await known.getByRole("searchbox").fill("zendesk");
    await known.getByRole("button", { name: /Zendesk/ }).click();
    assert.match(await where.inputValue(), /^https:\/\//);
    assert.equal(await look.getAttribute("aria-disabled"), "true");
    await page.getByText(/Put your own in the place of/).waitFor();
    assert.deepEqual(page.faults, []);
  },

  async "an mcp.json becomes several sources, each with what came of it"({ browser, server, upstream }) {
    const page = await openPage(browser, server);
    await page.goto("/w/local/sources/new");
    await page.getByText("More", { exact: true }).click();
    await page.getByLabel("Its host may be on a private network").check();
    const block = { mcpServers: { notes: { url: `${upstream.address}/mcp`, headers: { Authorization: "Bearer canary-mcp-json" } }, journal: { url: `${upstream.address}/mcp/second` }, gone: { url: `${upstream.address}/nowhere` }, left: { url: `${upstream.address}/mcp/left` } } };
    await page.getByLabel(/Address of a description/).fill(JSON.stringify(block));
    const servers = page.getByRole("region", { name: "Servers of the block" });
    await servers.getByRole("checkbox", { name: /left/ }).uncheck();
    const of = (name) => servers.getByRole("listitem").filter({ has: page.locator("strong", { hasText: name }) });
    await servers.getByRole("button", { name: "Look at 3 servers" }).click();
    await of("gone").getByText(/✕/).waitFor();
    await of("journal").getByText(/All 2 tools/).waitFor();
    assert.equal((await server.get("/sources")).items.length, 1, "a look adds nothing");
    // Each has a name of its own, and tools that are not wanted.
    await of("journal").getByLabel(/Name the tools of journal/).fill("diary");
    await of("journal").getByText(/All 2 tools/).click();
    await of("journal").getByRole("checkbox", { name: /addNote/ }).uncheck();
    await of("journal").getByLabel("Where no other rule decides").selectOption("ask");
    await servers.getByRole("button", { name: "Add 2 sources" }).click();
    await of("notes").getByText(/notes, 2 tools/).waitFor();
    await of("journal").getByText(/diary, 2 tools/).waitFor();
    const names = (await server.get("/sources")).items.map((each) => each.name).sort();
    assert.deepEqual(names, ["diary", "notes", "shop"]);
    const tools = (await server.get("/tools?namespace=diary")).results.map((each) => [each.path, each.decision]);
    assert.deepEqual(tools, [["diary.searchNotes", "ask"]]);
    // Its secret went into the vault, and is nowhere to be read.
    const kept = JSON.stringify([await server.get("/sources"), await server.get("/credentials"), await server.get("/audit")]);
    assert.ok(!kept.includes("canary-mcp-json"));
    assert.ok((await server.get("/credentials")).items.some((each) => each.source === "notes"));
  },

  async "a changed description is shown as a difference before it counts"({ browser, server, upstream }) {
    const [source] = (await server.get("/sources")).items;
    const task = await server.submit("return await tools.shop.items.listItems()");
    await server.settled(task.id);
    const page = await openPage(browser, server);
    // Calls are counted a few seconds later.
    await until(async () => (await server.get(`/sources/${source.id}/health`)).calls.count === 1, "the call to be counted");
    await page.goto(`/w/local/sources/${source.id}`);
    await page.getByRole("region", { name: "Health" }).getByText("1 call, none failed").waitFor();
    upstream.change();
    await page.getByRole("button", { name: "Look for changes" }).click();
    const panel = page.getByRole("region", { name: "What a refresh would change" });
    await panel.getByRole("list", { name: "+ Added" }).getByText(/replaceItem/).waitFor();
    await panel.getByRole("list", { name: "− Removed" }).getByText(/deleteItem/).waitFor();
    await panel.getByRole("list", { name: "~ Changed" }).getByText(/listItems/).waitFor();
    const paths = async () => (await server.get("/tools?limit=50")).results.map((each) => each.path);
    assert.ok((await paths()).includes("shop.items.deleteItem"), "nothing was taken over yet");
    await panel.getByRole("button", { name: "Take it over" }).click();
    await until(async () => (await paths()).includes("shop.items.replaceItem"), "the new tool");
  },

  async "a source is connected with OAuth in the browser, and no token is ever shown"({ browser, server, upstream }) {
    const page = await openPage(browser, server);
    await page.goto("/w/local/credentials");
    await page.getByRole("button", { name: "Add a credential" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.locator("select").first().selectOption("shop");
    await dialog.getByLabel("How it is attached").selectOption("oauth");
    await dialog.getByText("What it cannot find out by itself").click();
    await dialog.getByRole("textbox", { name: /^Client id/ }).fill("executor-test");
    await dialog.getByRole("textbox", { name: /^Authorization server/ }).fill(upstream.address);
    await dialog.getByRole("textbox", { name: /^Origins on private/ }).fill(upstream.address);
    await dialog.getByRole("button", { name: "Connect", exact: true }).click();
    const link = dialog.getByRole("link", { name: /Go on at/ });
    await link.waitFor();
    // A page of its own says where it leads; whoever grants tokens agrees at once.
    const [other] = await Promise.all([page.context().waitForEvent("page"), link.click()]);
    await other.getByRole("link", { name: /^Continue to/ }).click();
    await dialog.getByText("● connected").waitFor();
    const [credential] = (await server.get("/credentials")).items;
    assert.equal(credential.state, "connected");
    await dialog.getByRole("button", { name: "Go on" }).click();
    await page.getByText("● connected").waitFor();
    assert.ok(!(await page.content()).includes("token-7d2e"));
    assert.ok(!JSON.stringify(await server.get("/credentials")).includes("token-7d2e"));
    // The next call carries it.
    const task = await server.submit("return await tools.shop.items.listItems()");
    assert.equal((await server.settled(task.id)).status, "completed");
  },

  async "a client is paused and goes on again; rules say how often they decided"({ browser, server }) {
    const { secret } = await server.post("/keys", { name: "nightly agent" });
    const agent = apiOf(server.address, secret);
    const read = () => agent.submit("return await tools.shop.items.listItems()");
    assert.equal((await agent.settled((await read()).id)).status, "completed");
    const page = await openPage(browser, server);
    await page.goto("/w/local/clients");
    const row = page.getByRole("listitem").filter({ hasText: "nightly agent" });
    await row.getByRole("button", { name: /^Pause/ }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Pause it" }).click();
    await row.getByText("paused").waitFor();
    assert.equal((await agent.settled((await read()).id)).status, "denied");
    // The owner's own calls go on.
    const own = await server.submit("return await tools.shop.items.listItems()");
    assert.equal((await server.settled(own.id)).status, "completed");
    await page.goto("/w/local/policies");
    await page.getByText("1 call in 30 days").waitFor();
    await page.goto("/w/local/clients");
    await row.getByRole("button", { name: /go on/ }).click();
    await row.getByText("paused").waitFor({ state: "detached" });
    assert.equal((await agent.settled((await read()).id)).status, "completed");
    assert.deepEqual(page.faults, []);
  },
};
