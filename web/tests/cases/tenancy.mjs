// Who may see and do what: roles on every page, and two workspaces that know nothing of each other.
import assert from "node:assert/strict";
import { openPage } from "../lib/browser.mjs";
import { apiOf, until } from "../lib/server.mjs";

/** A page for the holder of a key: what it asks the API carries the key. */
async function pageOf(browser, server, role, member) {
  const { id } = member ?? (await server.post("/members", { name: `A ${role}`, role }));
  const { secret } = await server.post("/keys", { name: `of a ${role}`, member: id });
  const page = await openPage(browser, server);
  await page.route("**/api/**", (route) => route.continue({ headers: { ...route.request().headers(), authorization: `Bearer ${secret}` } }));
  return page;
}

/** Whether a control can be used: there, and neither disabled nor blocked. */
async function usable(control) {
  if ((await control.count()) === 0) return false;
  const [first] = await control.all();
  return (await first.isEnabled()) && (await first.getAttribute("aria-disabled")) !== "true";
}

const PAGES = ["", "/approvals", "/tasks", "/run", "/tools", "/sources", "/credentials", "/policies", "/clients", "/audit", "/settings/workspace", "/settings/organization", "/settings/members", "/settings/keys", "/settings/notifications", "/settings/storage", "/settings/server"];

export const long = ["each role finds every page, and controls that are its own"];

export default {
  async "each role finds every page, and controls that are its own"({ browser, server }) {
    await server.post("/policies", { effect: "ask", level: "organization", match: { tools: ["shop.a"] }, note: "Of all" });
    await server.post("/policies", { effect: "ask", level: "workspace", match: { tools: ["shop.b"] }, note: "Of this one" });
    const [source] = (await server.get("/sources")).items;
    const approver = await server.post("/members", { name: "An approver", role: "member" });
    await server.post("/policies", { effect: "ask", level: "workspace", match: { tools: ["shop.items.createItem"] }, ask: { approvers: [approver.id], requesterMay: true, count: 1, mayEdit: false }, note: "The approver's" });
    const task = await server.submit("return 'of the owner'");
    await server.settled(task.id);
    await server.submit("await tools.shop.items.createItem({ name: 'x', amount: 1 })");
    await server.submit("await tools.shop.items.deleteItem({ id: 'x' })");
    const asked = await server.pending(2);
    const named = asked.find((each) => each.approvers.length > 0);
    assert.deepEqual(named.approvers, [approver.id]);
    const nothing = { addsSources: false, changesSource: false, readsAudit: false, changesSettings: false, movesWorkspaceRule: false, movesOrganizationRule: false, seesOthers: false, decides: 0 };
    const expected = {
      member: nothing,
      billing_admin: nothing,
      approver: { ...nothing, decides: 1 },
      admin: { addsSources: true, changesSource: true, readsAudit: true, changesSettings: true, movesWorkspaceRule: true, movesOrganizationRule: false, seesOthers: true, decides: 2 },
      owner: { addsSources: true, changesSource: true, readsAudit: true, changesSettings: true, movesWorkspaceRule: true, movesOrganizationRule: true, seesOthers: true, decides: 2 },
    };
    for (const [role, may] of Object.entries(expected)) {
      const page = await pageOf(browser, server, role, role === "approver" ? approver : undefined);
      // What the owner sees is looked at by axe.
      for (const path of role === "member" ? PAGES : []) {
        await page.goto(`/w/local${path}`);
        await page.locator("h1, h2").first().waitFor();
        await page.waitForFunction(() => !document.querySelector("[role=status][aria-label=Loading]"));
      }
      await page.goto("/w/local/sources");
      await page.getByRole("link", { name: "shop" }).waitFor();
      const found = { addsSources: await usable(page.getByRole("link", { name: "Add a source" })) };
      await page.goto(`/w/local/sources/${source.id}`);
      await page.getByRole("heading", { name: "How it is" }).waitFor();
      found.changesSource = await usable(page.getByRole("button", { name: "Disable" }));
      await page.goto("/w/local/audit");
      await page.getByRole("heading", { name: "Audit" }).waitFor();
      found.readsAudit = await usable(page.getByRole("button", { name: "Verify the chain" }));
      await page.goto("/w/local/settings/workspace");
      const setting = page.getByLabel(/Members see each other/);
      await setting.waitFor();
      found.changesSettings = await usable(setting);
      await page.goto("/w/local/policies");
      const level = (name) => page.getByRole("region", { name, exact: true }).getByRole("button", { name: /^Remove rule/ }).first();
      await level("workspace").waitFor();
      found.movesWorkspaceRule = await usable(level("workspace"));
      found.movesOrganizationRule = await usable(level("organization"));
      await page.goto("/w/local/tasks");
      await page.getByRole("heading", { name: "Tasks" }).waitFor();
      await page.getByRole("table").or(page.getByText("Nothing has run yet.")).first().waitFor();
      found.seesOthers = (await page.getByText("of the owner").count()) > 0;
      // The link that a person named by a rule gets leads to the item, though they do not see its task.
      if (role === "approver") {
        await page.goto(`/a/${named.id}`);
        await page.waitForURL(`**/w/local/approvals/${named.id}`);
        await page.getByTestId("approve").waitFor();
      }
      // Which of the two that wait are there to be decided.
      found.decides = 0;
      for (const each of asked) {
        await page.goto(`/w/local/approvals/${each.id}`);
        await page.getByTestId("approve").or(page.getByRole("alert")).first().waitFor();
        if ((await page.getByTestId("approve").count()) === 0) continue;
        await page.waitForFunction(() => document.querySelector("[data-testid=shown]")?.textContent.includes(" of "));
        found.decides += (await usable(page.getByTestId("approve"))) ? 1 : 0;
      }
      assert.deepEqual(found, may, role);
      assert.deepEqual(page.faults, [], role);
      await page.context().close();
    }
  },

  async "two workspaces: a link opens the right one, and no row is in both"({ browser, server, upstream }) {
    await server.post("/workspaces", { slug: "other", name: "The other one" });
    const there = "?workspace=other";
    await server.post(`/sources${there}`, { url: `${upstream.address}/openapi.json`, name: "depot", allowPrivate: true });
    await server.submit("// Of the first\nawait tools.shop.items.createItem({ name: 'first', amount: 1 })");
    await server.post(`/tasks${there}`, { code: "// Of the second\nawait tools.depot.items.createItem({ name: 'second', amount: 2 })" });
    const [first] = await server.pending();
    let second = null;
    while (!second) [second] = (await server.get(`/approvals${there}&status=pending`)).items;
    const page = await openPage(browser, server);
    await page.goto(`/a/${second.id}`);
    await page.waitForURL(`**/w/other/approvals/${second.id}`);
    await page.getByText('"second"').first().waitFor();
    await page.goto(`/a/${first.id}`);
    await page.waitForURL(`**/w/local/approvals/${first.id}`);
    await page.getByText('"first"').first().waitFor();
    const pages = { "/approvals": /createItem/, "/tasks": /Of the/, "/tools": /shop|depot/, "/sources": /shop|depot/ };
    for (const [slug, own, foreign] of [["local", /Of the first|shop/, /Of the second|depot/], ["other", /Of the second|depot/, /Of the first|shop/]])
      for (const [path, some] of Object.entries(pages)) {
        await page.goto(`/w/${slug}${path}`);
        await page.locator("#main").getByText(some).first().waitFor();
        const text = await page.locator("#main").innerText();
        assert.match(text, own, `${slug}${path}`);
        assert.doesNotMatch(text, foreign, `${slug}${path}`);
      }
    // What stands in one is not to be found from the other.
    await page.goto(`/w/local/approvals/${second.id}`);
    await page.getByText(/Not found/i).first().waitFor();
    assert.deepEqual(page.faults, []);
  },

  async "an invite's link is shown once, and a restricted workspace names whom it lets in"({ browser, server }) {
    const page = await openPage(browser, server);
    await page.goto("/w/local/settings/members");
    await page.getByLabel("For whom (a note)").fill("ada@example.com");
    await page.getByRole("button", { name: "Make an invite" }).click();
    const link = await page.getByTestId("invite").innerText();
    assert.match(link, /\/invite\/\S+$/);
    await page.getByRole("button", { name: "I have it" }).click();
    await page.getByText("ada@example.com").waitFor();
    assert.ok(!(await page.content()).includes(link));
    assert.ok(!JSON.stringify(await server.get("/invites")).includes(new URL(link).pathname.split("/").at(-1)));
    await page.getByRole("button", { name: /Revoke the invite/ }).click();
    await until(async () => (await server.get("/invites")).items[0].status === "revoked", "the invite to be revoked");

    const ada = await server.post("/members", { name: "Ada", role: "member" });
    const made = await server.post("/workspaces", { slug: "vault", name: "Vault" });
    const key = async () => (await server.post("/keys?workspace=vault", { name: "ada there", member: ada.id })).secret;
    const reaches = apiOf(server.address, await key());
    assert.equal((await reaches.send("GET", "/tasks")).status, 200);
    await page.goto("/w/local/settings/organization");
    await page.getByLabel("Who reaches Vault").selectOption("restricted");
    await until(async () => (await reaches.send("GET", "/tasks")).status >= 400, "Ada to be shut out");
    await page.getByLabel("Let somebody into Vault").selectOption({ label: "Ada" });
    await page.getByRole("button", { name: "Take Ada out of Vault" }).waitFor();
    const named = (await server.get(`/workspaces/${made.id}/members`)).items.map((each) => each.id);
    assert.ok(named.includes(ada.id));
    // A deletion is taken back where it was made.
    await page.getByRole("button", { name: "Delete Vault" }).click();
    const sure = page.getByRole("alertdialog");
    assert.equal(await sure.getByRole("button", { name: "Delete Vault" }).getAttribute("aria-disabled"), "true");
    await sure.getByRole("textbox").fill("vault");
    await sure.getByRole("button", { name: "Delete Vault" }).click();
    await page.getByRole("button", { name: "Take back the deletion of Vault" }).click();
    await page.getByLabel("Who reaches Vault").waitFor();
    assert.deepEqual(page.faults, []);
  },

  async "a session is shown, and signing out ends it"({ browser, server }) {
    const link = new URL((await server.post("/sign-in-links")).url);
    // As behind a proxy, where being on this machine says nothing of who somebody is.
    const page = await openPage(browser, server, { extraHTTPHeaders: { "x-forwarded-for": "203.0.113.9" } });
    await page.goto(`${link.pathname}${link.search}`);
    await page.getByRole("button").first().click();
    await page.waitForURL((at) => !at.pathname.startsWith("/sign-in"));
    await page.goto("/w/local/settings/browser");
    const list = page.getByRole("region", { name: "Where you are signed in" });
    await list.getByText("(this one)").waitFor();
    assert.equal((await page.context().cookies()).length, 1);
    await page.getByRole("navigation", { name: "Pages" }).waitFor();
    await list.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("**/sign-in");
    assert.equal((await page.context().cookies()).length, 0);
    const answer = await fetch(`${server.address}/api/v1/sessions`, { headers: { "x-forwarded-for": "203.0.113.9" } });
    assert.equal(answer.status, 401);
  },
};
