// Sources: what a refresh would change, those that tell nothing without a credential, known services,
// several at once, and tools that are left out.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { violations } from "../lib/axe.mjs";
import { openPage } from "../lib/browser.mjs";
import { until } from "../lib/server.mjs";
import { LOCKED_TOKEN } from "../lib/upstream.mjs";

const where = (page) => page.getByLabel(/Address of a description/);

async function wizard(page, isPrivate = true) {
  await page.goto("/w/local/sources/new");
  await page.getByText("More", { exact: true }).click();
  if (isPrivate) await page.getByLabel("Its host may be on a private network").check();
}

/** Without the numbers that differ from run to run. */
const paths = async (server, query) => (await server.get(`/tools?limit=200&${query}`)).results.map((each) => each.path);

export default {
  async "a refresh shows what differs, what policy says then and which rules are about it"({ browser, server, upstream }) {
    const [source] = (await server.get("/sources")).items;
    await server.post("/policies", { effect: "allow", match: { tools: ["shop.items.changeItem"] }, note: "go on" });
    const gone = await server.post("/policies", { effect: "deny", match: { tools: ["shop.items.deleteItem"] }, note: "never delete" });
    const page = await openPage(browser, server);
    await page.goto(`/w/local/sources/${source.id}`);
    upstream.change();
    await page.getByRole("button", { name: "Look for changes" }).click();
    const panel = page.getByRole("region", { name: "What a refresh would change" });
    const changed = panel.getByRole("list", { name: "~ Changed" }).getByRole("listitem").filter({ hasText: "changeItem" });
    await changed.getByText("arguments", { exact: true }).waitFor();
    await changed.getByText(/reason/).first().waitFor();
    // It was allowed, and asks until somebody has looked at it.
    await changed.getByText("allow").waitFor();
    await changed.getByText("then", { exact: true }).waitFor();
    await changed.getByText("asks until somebody has looked at it").waitFor();
    const rules = panel.getByRole("list", { name: "Rules that are about them" });
    await rules.getByRole("listitem").filter({ hasText: gone.id }).getByText("about no tool any more").waitFor();
    await rules.getByRole("link", { name: gone.id }).waitFor();
    assert.deepEqual(await violations(page), []);
    assert.ok((await paths(server, "namespace=shop&denied=too")).includes("shop.items.deleteItem"), "nothing was taken over yet");
    await panel.getByRole("button", { name: "Take it over" }).click();
    await until(async () => (await paths(server, "namespace=shop")).includes("shop.items.replaceItem"), "the new tool");
    await panel.waitFor({ state: "detached" });
    assert.deepEqual(page.faults, []);
  },

  async "a doubtful refresh is taken over by a second step alone"({ browser, server, upstream }) {
    const source = await server.post("/sources", { url: `${upstream.address}/large.json`, name: "large", allowPrivate: true });
    const page = await openPage(browser, server);
    await page.goto(`/w/local/sources/${source.id}`);
    const count = async () => (await server.get(`/sources/${source.id}`)).toolCount;
    const panel = page.getByRole("region", { name: "What a refresh would change" });
    // Looked at while it was whole; it has shrunk since: the server refuses, and the page shows why.
    upstream.resize(521);
    await page.getByRole("button", { name: "Look for changes" }).click();
    await panel.getByText("+ Added 1").waitFor();
    upstream.resize(10);
    await panel.getByRole("button", { name: "Take it over", exact: true }).click();
    await panel.getByText(/holds 10 of the 520 tools/).waitFor();
    assert.equal(await count(), 520);
    await panel.getByText("− Removed 510").waitFor();
    await panel.getByRole("button", { name: "Take it over all the same…" }).click();
    const sure = page.getByRole("alertdialog");
    await sure.getByText(/510 removed/).waitFor();
    assert.deepEqual(await violations(page), []);
    await sure.getByRole("button", { name: "Cancel" }).click();
    assert.equal(await count(), 520);
    await panel.getByRole("button", { name: "Take it over all the same…" }).click();
    await sure.getByRole("button", { name: "Take it over", exact: true }).click();
    await until(async () => (await count()) === 10, "the smaller source");
    await page.getByRole("region", { name: "How it is" }).getByText(/ready/).first().waitFor();
  },

  async "one that tells nothing without a credential is chosen from once it has one, and its sample runs"({ browser, server, upstream }) {
    const page = await openPage(browser, server);
    await wizard(page);
    await where(page).fill(`${upstream.address}/mcp/locked`);
    await page.getByLabel("Name its tools begin with").fill("locked");
    // It tells nothing to whoever asks without a credential, not even what it is.
    await page.getByRole("combobox", { name: /^What it is/ }).selectOption("mcp");
    await page.getByRole("button", { name: "Look at it" }).click();
    const steps = page.getByRole("list", { name: "Steps" });
    await steps.getByRole("listitem").filter({ hasText: "What it is" }).and(page.locator("[aria-current=step]")).waitFor();
    await page.getByRole("button", { name: "Add the source" }).click();
    // Nothing harmless can be called before its tools are read, so what a value is worth shows then; it
    // can be replaced.
    const value = page.getByLabel("Token or key");
    await value.fill("wrong-token");
    await page.getByRole("button", { name: "Save and try it" }).click();
    await page.getByText(/no tool that only reads/).waitFor();
    await page.getByRole("button", { name: "Go on anyway" }).click();
    await page.getByText(/Its tools could not be read yet/).waitFor();
    assert.deepEqual(await violations(page), []);
    await page.getByRole("button", { name: "Another credential" }).click();
    await value.fill(LOCKED_TOKEN);
    await page.getByRole("button", { name: "Save and try it" }).click();
    await page.getByRole("button", { name: "Go on", exact: true }).click();
    const can = page.getByRole("region", { name: "What it can do" });
    await can.getByRole("checkbox", { name: /addNote/ }).uncheck();
    await can.getByText("1 tool left out").waitFor();
    await can.getByLabel("Where no other rule decides").selectOption("trust");
    assert.deepEqual(await violations(page), []);
    await page.getByRole("button", { name: "Use 1 tool" }).click();
    await page.getByRole("link", { name: "Try locked.searchNotes" }).click();
    assert.deepEqual(await paths(server, "namespace=locked"), ["locked.searchNotes"]);
    assert.deepEqual(await paths(server, "namespace=locked&denied=only"), ["locked.addNote"]);
    // The sample goes through, once a person lets it: its server says nothing about it to trust.
    await page.getByLabel("text", { exact: true }).fill("all");
    await page.getByRole("button", { name: "Run once" }).click();
    const [asked] = await server.pending();
    await server.post(`/approvals/${asked.id}/approve`, { digest: asked.digest });
    await page.getByRole("region", { name: "Result" }).getByText("noted").waitFor();
    // Whoever chose among them has looked at them.
    const found = (await server.get("/sources")).items.find((each) => each.name === "locked");
    assert.equal(found.unreviewed, 0);
    assert.ok(!(await page.content()).includes(LOCKED_TOKEN));
    assert.deepEqual(page.faults, []);
  },

  async "the wizard connects with OAuth, and a connection is made anew in the place of a rotation"({ browser, server, upstream }) {
    const [source] = (await server.get("/sources")).items;
    const page = await openPage(browser, server);
    /** Fills in what this authorization server does not tell, and agrees. */
    const connect = async (within) => {
      await within.getByText("What it cannot find out by itself").click();
      await within.getByRole("textbox", { name: /^Client id/ }).fill("executor-test");
      await within.getByRole("textbox", { name: /^Authorization server/ }).fill(upstream.address);
      await within.getByRole("textbox", { name: /^Origins on private/ }).fill(upstream.address);
      await within.getByRole("button", { name: "Connect", exact: true }).click();
      const link = within.getByRole("link", { name: /Go on at/ });
      const [other] = await Promise.all([page.context().waitForEvent("page"), link.click()]);
      await other.getByRole("link", { name: /^Continue to/ }).click();
      await within.getByText("● connected").waitFor();
      await other.close();
      await within.getByRole("button", { name: "Go on" }).click();
    };
    await page.goto(`/w/local/sources/new?source=${source.id}`);
    await page.getByRole("combobox", { name: /^How/ }).selectOption("oauth");
    assert.deepEqual(await violations(page), []);
    await connect(page.locator("#main"));
    await page.getByRole("link", { name: /^Try shop\./ }).waitFor();
    const [first] = (await server.get("/credentials")).items;
    assert.equal(first.state, "connected");
    await page.goto("/w/local/credentials");
    const again = page.getByRole("button", { name: "Connect shop again" });
    await again.waitFor();
    assert.equal(await page.getByRole("button", { name: /^Rotate/ }).count(), 0);
    await again.click();
    await page.getByRole("dialog").getByText("Where you agree").waitFor();
    assert.deepEqual(await violations(page), []);
    await connect(page.getByRole("dialog"));
    await page.getByRole("dialog").waitFor({ state: "detached" });
    const all = (await server.get("/credentials")).items;
    assert.equal(all.length, 1, "it took the place of the one before");
    assert.ok(all[0].version > first.version || all[0].rotatedAt > first.rotatedAt, JSON.stringify([first, all[0]]));
    // A value that somebody entered is rotated as before.
    await server.post("/sources", { url: `${upstream.address}/forms.json`, name: "forms", allowPrivate: true });
    await server.post("/credentials", { source: "forms", value: "a-value", auth: "bearer", scope: "workspace" });
    await page.getByRole("button", { name: "Rotate the credential of forms" }).waitFor();
    assert.deepEqual(page.faults, []);
  },

  async "failures say what was tried and what came back"({ browser, server }) {
    const nothing = createServer((_request, response) => {
      response.writeHead(404, { "content-type": "text/html" });
      response.end("<h1>Nothing of that name</h1>");
    });
    await new Promise((resolve) => nothing.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${nothing.address().port}/page`;
    const page = await openPage(browser, server);
    const look = page.getByRole("button", { name: "Look at it" });
    await wizard(page);
    await where(page).fill(address);
    await look.click();
    const tried = page.getByRole("region", { name: "What was tried" });
    const first = tried.getByRole("listitem").filter({ hasText: address }).first();
    await first.getByText(/404 text\/html/).waitFor();
    // What answered is shown, as a text.
    await first.getByText("<h1>Nothing of that name</h1>").waitFor();
    assert.ok((await tried.getByRole("listitem").count()) > 1, "well-known places are asked, too");
    assert.deepEqual(await violations(page), []);
    // Nobody listens there.
    await where(page).fill("http://127.0.0.1:9/openapi.json");
    await look.click();
    await page.getByRole("alert").filter({ hasText: /127\.0\.0\.1:9.*could not be read/ }).waitFor();
    await tried.waitFor({ state: "detached" });
    // A description that is broken says where.
    await where(page).fill('{"openapi": "3.1.0", "info": ');
    await look.click();
    await page.getByRole("alert").filter({ hasText: /line 1/ }).waitFor();
    assert.equal((await server.get("/sources")).items.length, 1);
    assert.deepEqual(page.faults, []);
    nothing.close();
  },

  async "a known service brings the way in and where to get what opens it"({ browser, server }) {
    const page = await openPage(browser, server);
    const { items } = await server.get("/presets");
    await page.goto("/w/local/sources/new");
    const known = page.getByRole("region", { name: "Known services" });
    const pick = async (preset) => {
      await known.getByRole("searchbox").fill(preset.title);
      await known.getByRole("button", { name: new RegExp(`^${preset.title}`) }).first().click();
    };
    const bearer = items.find((each) => each.name === "github");
    await pick(bearer);
    assert.equal(await page.getByRole("link", { name: /where to get one/ }).getAttribute("href"), bearer.credentialUrl);
    const oauth = items.find((each) => each.auth === "oauth");
    await pick(oauth);
    const link = page.getByRole("link", { name: /how it is set up there/ });
    assert.equal(await link.getAttribute("href"), oauth.credentialUrl);
    assert.match(await link.getAttribute("rel"), /noopener/);
    // Of another address nothing is known.
    await where(page).fill("https://api.example.com/openapi.json");
    await link.waitFor({ state: "detached" });
    assert.deepEqual(await violations(page), []);
  },

  async "what is left out is listed for whoever makes the rules, and brought back"({ browser, server }) {
    const [source] = (await server.get("/sources")).items;
    await server.post("/policies", { effect: "deny", match: { tools: ["shop.items.deleteItem", "shop.items.changeItem"] }, note: "not wanted" });
    const page = await openPage(browser, server);
    await page.goto(`/w/local/sources/${source.id}`);
    const left = page.getByRole("list", { name: "Left out by rules" });
    await left.getByRole("link", { name: "not wanted" }).first().waitFor();
    await left.getByRole("button", { name: "Bring back shop.items.changeItem" }).click();
    await until(async () => (await paths(server, "namespace=shop")).includes("shop.items.changeItem"), "the tool");
    const [rule] = (await server.get("/policies")).rules;
    assert.deepEqual(rule.match.tools, ["shop.items.deleteItem"]);
    // The catalog lists denied ones for those who ask for them.
    await page.goto("/w/local/tools");
    await page.getByRole("treeitem", { name: /shop/ }).first().click();
    const tree = page.getByRole("tree");
    await tree.getByText("items", { exact: true }).waitFor();
    assert.equal(await tree.getByRole("treeitem", { name: /deleteItem/ }).count(), 0);
    await page.getByLabel("denied ones too").check();
    await tree.getByRole("treeitem", { name: /deleteItem/ }).getByText("deny").waitFor();
    assert.match(page.url(), /denied=too/);
    await tree.getByRole("treeitem", { name: /deleteItem/ }).click();
    await page.getByText("No program finds it.").waitFor();
    assert.deepEqual(await violations(page), []);
    await page.getByRole("button", { name: "Bring back shop.items.deleteItem" }).click();
    await until(async () => (await server.get("/policies")).rules.length === 0, "the rule to be gone");
    await page.getByText("No program finds it.").waitFor({ state: "detached" });
    assert.deepEqual(page.faults, []);
  },
};
