// What holds on every page: no violation of its policy, no request elsewhere, no frame around it,
// nothing that axe-core finds.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { approveUnlocked, openPage, writeProgram } from "../lib/browser.mjs";
import { violations } from "../lib/axe.mjs";
import { startServer } from "../lib/server.mjs";

export const long = ["axe, 1440 px, both themes", "axe, 360 px, both themes"];

/** A workspace with something on every page; the addresses of all of them. */
async function filled(server) {
  const done = await server.submit("// A task that is done\nconsole.log('one'); console.error('two');\nreturn await tools.shop.items.listItems();");
  await server.settled(done.id);
  const failed = await server.submit("// A task that failed\nthrow new Error('it broke');");
  await server.settled(failed.id);
  await server.post("/policies", { effect: "deny", match: { tools: ["shop.admin.**"] }, note: "Nothing of this" });
  await server.post("/policies", { effect: "ask", match: { tools: ["shop.items.*"], conditions: ["amount > 100"] }, note: "Large ones" });
  const set = await server.post("/policies/sets", { name: "Production", description: "What touches customers" });
  await server.post(`/policies/sets/${set.id}/rules`, { effect: "ask", match: { tools: ["shop.admin.*"] }, note: "Two people", ask: { count: 2, requesterMay: false, mayEdit: false } });
  await server.post(`/policies/sets/${set.id}/assignments`, { level: "workspace" });
  await server.post("/keys", { name: "a key" });
  const waiting = await server.submit("// A task that waits\nawait tools.shop.items.createItem({ name: 'pen\\u200b', amount: 250, tags: ['a'], owner: { id: 'o' } });");
  await server.submit("await tools.shop.items.deleteItem({ id: 'x' });");
  const pending = await server.pending(2);
  const { rules } = await server.get("/policies");
  const [source] = (await server.get("/sources")).items;
  const approval = pending.find((each) => each.taskId === waiting.id).id;
  return [
    "/welcome", "/home", "/approvals", `/approvals/${approval}`, "/approvals?tab=resolved", "/approvals?tab=mine", "/approvals?tab=expired", "/tasks", `/tasks/${done.id}`, `/tasks/${failed.id}`,
    `/tasks/${waiting.id}?tab=call&call=1`, `/tasks/${done.id}?tab=logs`, `/tasks/${done.id}?tab=result`, `/tasks/${waiting.id}?tab=events`, "/run", `/run?from=${done.id}&call=1`, `/run?task=${waiting.id}`,
    "/tools", "/tools/shop.items.createItem", "/tools/shop.items.createItem?tab=types", "/tools/shop.items.createItem?tab=try", `/tools/shop.items.createItem?tab=try&task=${waiting.id}&call=1`, "/tools?denied=too", "/tools/shop.items.createItem?tab=schema", "/tools/shop.items.listItems?tab=usage",
    "/sources", "/sources/new", `/sources/${source.id}`, "/credentials", "/policies", `/policies/${rules[0].id}`, "/policies/new", "/policies/test", "/policies/test?tool=shop.items.createItem", `/policies/test?task=${waiting.id}&call=1`,
    "/policies/history", "/policies/sets", `/policies/sets/${set.id}`, `/policies/sets/${set.id}?rule=new`, "/clients", "/audit", "/settings/workspace", "/settings/organization", "/settings/members", "/settings/keys", "/settings/notifications", "/settings/browser", "/settings/storage", "/settings/server",
  ];
}

/** Goes to an address by its workspace, and waits until nothing is read any more. */
async function open(page, slug, path) {
  const bare = path === "/welcome" ? path : `/w/${slug}${path === "/home" ? "" : path}`;
  await page.goto(bare);
  await page.locator("h1:visible, h2:visible").first().waitFor();
  await page.waitForFunction(() => !document.querySelector("[role=status][aria-label=Loading]"));
}

/** Every page in both themes at one width. A theme is other colors and nothing else. */
async function matrix({ browser, server }, width, theme) {
  const paths = await filled(server);
  const { workspace } = await server.get("/me");
  const page = await openPage(browser, server, { width, height: width < 500 ? 780 : 900, theme });
  const other = theme === "light" ? "dark" : "light";
  const found = [];
  for (const path of paths) {
    await open(page, workspace.slug, path);
    for (const each of await violations(page)) found.push(`${path}, ${theme}: ${each}`);
    await page.evaluate((name) => (document.documentElement.dataset.theme = name), other);
    for (const each of await violations(page, ["color-contrast"])) found.push(`${path}, ${other}: ${each}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 1) found.push(`${path}: ${wide} px wider than the window`);
  }
  assert.deepEqual(found, []);
  assert.deepEqual(page.faults, []);
}

export default {
  "axe, 1440 px, both themes": (world) => matrix(world, 1440, "light"),
  "axe, 360 px, both themes": (world) => matrix(world, 360, "dark"),

  async "320 px, and 1280 px at 200 %: no page is wider than its window"({ browser, server }) {
    const paths = await filled(server);
    const { workspace } = await server.get("/me");
    const found = [];
    for (const width of [320, 640]) {
      const page = await openPage(browser, server, { width, height: 512 });
      for (const path of paths) {
        await open(page, workspace.slug, path);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 1) found.push(`${path}: ${wide} px wider than ${width}`);
      }
      await page.context().close();
    }
    assert.deepEqual(found, []);
  },

  async "the focus is seen wherever Tab leads, and nothing lies over it"({ browser, server }) {
    const paths = await filled(server);
    const { workspace } = await server.get("/me");
    const page = await openPage(browser, server, { height: 600 });
    const found = [];
    let rings = 0;
    for (const path of paths.filter((each) => !each.startsWith("/run"))) {
      await open(page, workspace.slug, path);
      for (let n = 0; n < 30; n++) {
        await page.keyboard.press("Tab");
        const look = await page.evaluate(() => {
          const node = document.activeElement;
          if (!node || node === document.body) return null;
          const { outlineStyle, outlineWidth } = getComputedStyle(node);
          const box = node.getBoundingClientRect();
          const over = document.elementFromPoint(box.x + Math.min(box.width / 2, 40), box.y + Math.min(box.height / 2, 10));
          // A label lies over what it names, and belongs to it.
          const isClear = over !== null && (node.contains(over) || over.contains(node) || over.closest("label")?.control === node);
          return { html: node.outerHTML.slice(0, 120), hasRing: outlineStyle === "solid" && Number.parseFloat(outlineWidth) >= 2, isClear };
        });
        if (look === null) break;
        rings += 1;
        if (!look.hasRing) found.push(`${path}: no ring: ${look.html}`);
        if (!look.isClear) found.push(`${path}: covered: ${look.html}`);
      }
    }
    assert.ok(rings > 300, `${rings} stops`);
    assert.deepEqual(found, []);
  },

  async "dialogs: axe, the focus stays inside and returns"({ browser, server }) {
    await filled(server);
    const page = await openPage(browser, server);
    await page.goto("/approvals");
    await page.getByTestId("approve").waitFor();
    const found = [];
    const look = async (name) => {
      await page.getByRole("dialog").or(page.getByRole("alertdialog")).first().waitFor();
      for (const each of await violations(page)) found.push(`${name}: ${each}`);
    };
    await page.keyboard.press("?");
    await look("keys");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("ControlOrMeta+k");
    await look("palette");
    await page.keyboard.type("polic");
    await page.getByRole("option", { name: /^Policies/ }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    const button = page.getByRole("button", { name: "Remember" });
    await button.click();
    await look("remember");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(await button.evaluate((node) => node === document.activeElement), true, "the focus returns");
    /** A dialog opened by a control, looked at and left by the keyboard. */
    const through = async (name, control) => {
      await control.click();
      await look(name);
      for (let n = 0; n < 12; n++) await page.keyboard.press("Tab");
      // At the end of a round it passes a guard, which sends it back; where what had it was drawn anew
      // meanwhile, the next step leads back.
      const isInside = () => page.waitForFunction(() => Boolean(document.activeElement?.closest("[role=dialog], [role=alertdialog]")), undefined, { timeout: 1_000 }).then(() => true, () => false);
      for (let n = 0; n < 20 && !(await isInside()); n++) await page.keyboard.press("Tab");
      assert.ok(await isInside(), `the focus left the dialog of ${name}`);
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").or(page.getByRole("alertdialog")).waitFor({ state: "detached" });
    };
    await through("stop", page.getByRole("button", { name: "Stop this agent" }));
    await page.getByRole("link", { name: /deleteItem/ }).click();
    await page.locator("#item-title", { hasText: "deleteItem" }).waitFor();
    await approveUnlocked(page);
    await through("confirm", page.getByTestId("approve"));
    await page.goto("/w/local/credentials");
    await through("add a credential", page.getByRole("button", { name: "Add a credential" }).first());
    await page.goto("/w/local/settings/keys");
    await through("rotate a key", page.getByRole("button", { name: "Rotate a key" }));
    await page.goto("/w/local/sources/new");
    await page.getByLabel(/Address of a description/).fill(JSON.stringify({ openapi: "3.1.0", info: { title: "Tiny", version: "1" }, servers: [{ url: "https://api.example.com" }], paths: { "/a": { get: { operationId: "getA", responses: { 200: { description: "ok" } } } } } }));
    await page.getByRole("button", { name: "Look at it" }).click();
    await page.getByRole("region", { name: "What it can do" }).waitFor();
    for (const each of await violations(page)) found.push(`a look at a source: ${each}`);
    assert.deepEqual(found, []);
  },

  async "the server's own pages: signing in, a device, an invite, a link of nobody"({ browser, server }) {
    const stranger = { extraHTTPHeaders: { "x-forwarded-for": "203.0.113.9" } };
    const { url } = await server.post("/invites", { role: "member", expiresAt: new Date(Date.now() + 86_400_000).toISOString(), maxUses: 1, workspaces: [] });
    const invite = new URL(url).pathname;
    const link = new URL((await server.post("/sign-in-links")).url);
    const pages = [["/sign-in", stranger], [`${link.pathname}${link.search}`, stranger], ["/approvals", stranger], [invite, stranger], [invite, {}], ["/device", {}], ["/device?user_code=AAAA-BBBB", {}], ["/invite/nobody", {}]];
    const found = [];
    for (const [width, theme] of [[1440, "light"], [360, "dark"]])
      for (const [path, more] of pages) {
        const page = await openPage(browser, server, { width, theme, ...more });
        await page.goto(path);
        await page.locator("h1, h2").first().waitFor();
        for (const each of await violations(page)) found.push(`${path}, ${theme}: ${each}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 1) found.push(`${path}: ${wide} px wider than the window`);
        for (const each of page.faults) if (!each.includes("status of 400")) found.push(`${path}: ${each}`);
        if (path === "/device") {
          // A form of ours says where it comes from, so that it is no other site's.
          await page.getByLabel("Code").fill("AAAA-BBBB");
          await page.getByRole("button", { name: "Continue" }).click();
          await page.getByRole("heading", { name: "Nothing was granted" }).waitFor();
        }
        await page.context().close();
      }
    assert.deepEqual(found, []);
  },

  async "a build without the dashboard says so, and its page still decides"({ browser, server, upstream }) {
    // What such a build sends in the place of the dashboard's frame; its script is in every build.
    const frame = readFileSync(new URL("../../../crates/server/src/web/frame.html", import.meta.url), "utf8");
    await server.submit("await tools.shop.items.createItem({ name: 'from the small page \u200b', amount: 1 });");
    const [approval] = await server.pending();
    for (const [width, theme] of [[1440, "light"], [360, "dark"]]) {
      const page = await openPage(browser, server, { width, theme });
      await page.route(`${server.address}/`, async (route) => route.fulfill({ response: await route.fetch(), body: frame }));
      await page.goto("/");
      await page.getByText("This build has no dashboard in it.").waitFor();
      await page.getByText("cargo xtask web").waitFor();
      await page.getByText("executor approvals list").first().waitFor();
      await page.getByRole("link", { name: "HTTP API" }).waitFor();
      await page.getByText("shop.items.createItem").first().waitFor();
      await page.getByText("\\u{200B}").first().waitFor();
      assert.deepEqual(await violations(page), []);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 1, `${wide} px wider than the window`);
      if (width === 360) {
        await page.getByRole("button", { name: "Approve" }).click();
        await page.getByText("Nothing.").waitFor();
        assert.equal(upstream.writes().length, 1);
        assert.equal((await server.get(`/approvals/${approval.id}`)).status, "approved");
      }
      assert.deepEqual(page.faults, []);
      await page.context().close();
    }
  },

  async "nothing moves, and what would is still for whoever wants no motion"({ browser, server }) {
    const motion = async (reducedMotion, more = "") => {
      const page = await openPage(browser, server, { reducedMotion });
      // Nothing answers, so that what waits is shown.
      await page.route("**/api/v1/approvals?**", () => undefined);
      await page.goto("/w/local/approvals");
      await page.locator(".skeleton").first().waitFor();
      const found = await page.evaluate((style) => {
        const put = document.createElement("p");
        for (const [name, value] of new URLSearchParams(style)) put.style.setProperty(name, value);
        document.body.append(put);
        const seconds = (text) => Math.max(...text.split(",").map((each) => Number.parseFloat(each)));
        const styles = [...document.querySelectorAll("*")].map((node) => getComputedStyle(node));
        return Math.max(...styles.map((each) => Math.max(seconds(each.transitionDuration), each.animationName === "none" ? 0 : seconds(each.animationDuration))));
      }, more);
      await page.context().close();
      return found;
    };
    assert.equal(await motion("no-preference"), 0);
    const moving = "transition-duration=0.4s&animation-name=breathe&animation-duration=2s";
    assert.equal(await motion("no-preference", moving), 2, "what moves is seen");
    assert.equal(await motion("reduce", moving), 0);
  },

  async "no page stands in a frame, and none loads from elsewhere"({ browser, server }) {
    const host = createServer((_, response) => {
      response.setHeader("content-type", "text/html");
      response.end(`<iframe src="${server.address}/approvals"></iframe>`);
    });
    await new Promise((resolve) => host.listen(0, "127.0.0.1", resolve));
    const context = await browser.newContext();
    const page = await context.newPage();
    const refused = [];
    page.on("console", (message) => refused.push(message.text()));
    await page.goto(`http://127.0.0.1:${host.address().port}/`);
    const frame = page.frames().at(-1);
    assert.equal(await frame.locator("main").count().catch(() => 0), 0);
    host.close();
    const answer = await fetch(`${server.address}/approvals`);
    const policy = answer.headers.get("content-security-policy");
    assert.match(policy, /default-src 'self'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.match(policy, /style-src 'self' 'nonce-[0-9a-f]{32}'/);
    assert.ok(!policy.includes("unsafe"));
    assert.equal(answer.headers.get("referrer-policy"), "no-referrer");
    assert.equal(answer.headers.get("cache-control"), "no-store");
    const again = await fetch(`${server.address}/approvals`);
    assert.notEqual(again.headers.get("content-security-policy"), policy, "a nonce is used once");
  },

  async "files: kept for ever by their digest, packed, and unknown ones are not the frame"({ server }) {
    const index = await (await fetch(`${server.address}/`)).text();
    const [script] = /\/assets\/index-[\w-]+\.js/.exec(index);
    for (const [coding, expected] of [["br", "br"], ["gzip", "gzip"], ["identity", null]]) {
      const answer = await fetch(server.address + script, { headers: { "accept-encoding": coding } });
      assert.equal(answer.headers.get("content-encoding"), expected);
      assert.match(answer.headers.get("cache-control"), /immutable/);
      assert.match(answer.headers.get("content-type"), /^text\/javascript/);
      assert.ok((await answer.text()).length > 100_000);
    }
    assert.equal((await fetch(`${server.address}/assets/theme.js`)).headers.get("cache-control"), "no-cache");
    for (const path of ["/assets/gone-12345678.js", "/assets/../index.html", "/assets/%2e%2e/index.html", "/api/v1/nothing"]) {
      const answer = await fetch(server.address + path);
      assert.ok(answer.status === 404 || answer.status === 401, `${path}: ${answer.status}`);
      assert.ok(!(await answer.text()).includes("<div id=\"root\">"), path);
    }
  },

  async "a part of another version offers to load the new one"({ browser, server }) {
    const page = await openPage(browser, server);
    await page.goto("/approvals");
    await page.getByRole("navigation", { name: "Pages" }).waitFor();
    // What a server of another version answers for a file of this one.
    await page.route("**/assets/audit-*.js", (route) => route.continue({ url: `${server.address}/assets/audit-00000000.js` }));
    await page.getByRole("link", { name: "Audit" }).click();
    await page.getByRole("button", { name: "Reload for the new version" }).waitFor();
    await page.unroute("**/assets/audit-*.js");
    await page.getByRole("button", { name: "Reload for the new version" }).click();
    await page.getByRole("heading", { name: "Audit" }).waitFor();
  },

  async "forced colors and 360 px: a decision by touch"({ browser, server }) {
    await server.submit("await tools.shop.items.createItem({ name: 'x', amount: 1 });");
    const [approval] = await server.pending();
    const page = await openPage(browser, server, { width: 360, height: 740, hasTouch: true, forcedColors: "active" });
    await page.goto("/approvals");
    await page.getByRole("link", { name: /createItem/ }).tap();
    await page.getByTestId("approve").waitFor();
    const box = await page.getByTestId("approve").boundingBox();
    const deny = await page.getByRole("button", { name: /^Deny/ }).first().boundingBox();
    assert.ok(box.height >= 48 && deny.height >= 48, `${box.height} and ${deny.height} px high`);
    assert.ok(box.x + box.width > 330 && deny.x < 30, "at opposite edges");
    await page.waitForFunction(() => document.querySelector("[data-testid=approve]")?.getAttribute("aria-disabled") !== "true");
    await page.waitForFunction((from) => performance.now() - from > 450, await page.evaluate(() => performance.now()));
    await page.getByTestId("approve").tap();
    await page.waitForFunction(() => /approvals\/?$/.test(location.pathname));
    assert.equal((await server.get(`/approvals/${approval.id}`)).status, "approved");
  },

  async "a session that ends in the middle, and a server that came back with another dashboard, are told over the page"({ browser, server }) {
    const page = await openPage(browser, server);
    const link = new URL((await server.post("/sign-in-links")).url);
    await page.goto(`${link.pathname}${link.search}`);
    await page.getByText("● live").waitFor();
    await page.goto("/w/local/run");
    await writeProgram(page, "return 'kept';");
    // Whatever it asks for from now on is asked by nobody.
    await page.route("**/api/v1/**", (route) =>
      route.fulfill({ status: 401, contentType: "application/problem+json", body: JSON.stringify({ status: 401, code: "not_signed_in", title: "nobody is signed in" }) }));
    await page.evaluate(() => dispatchEvent(new Event("visibilitychange")));
    const told = page.getByRole("alertdialog", { name: "Signed out" });
    await told.waitFor();
    await told.getByRole("link", { name: "Sign in" }).waitFor();
    assert.ok(await page.getByText("kept").first().isVisible(), "what was typed is there");
    await page.unroute("**/api/v1/**");
    await told.getByRole("button", { name: "Try again" }).click();
    await page.getByText("return 'kept';").waitFor();

    await page.route(`${server.address}/`, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: (await response.text()).replace(/src="\/assets\/index[^"]*"/, 'src="/assets/index-of-another.js"') });
    });
    await server.stop({ keep: true });
    await page.getByText("○ reconnecting").waitFor();
    const again = await startServer({ home: server.home, port: Number(new URL(server.address).port) });
    try {
      await page.getByText("The server runs another version").waitFor();
      await page.getByRole("button", { name: "Reload for the new version" }).click();
      await page.getByText("● live").waitFor();
      assert.equal(await page.getByText("The server runs another version").count(), 0);
    } finally {
      await again.stop();
    }
  },

  async "forced colors: what a background tells is told by a border"({ browser, server }) {
    const task = await server.submit("await tools.shop.items.listItems({}); await tools.shop.items.createItem({ name: 'x', amount: 1 });");
    await server.pending();
    const page = await openPage(browser, server, { forcedColors: "active" });
    await page.goto(`/tasks/${task.id}`);
    await page.locator(".hatched").first().waitFor();
    const borders = await page.evaluate(() => [...document.querySelectorAll(".hatched")].map((bar) => getComputedStyle(bar).borderTopWidth));
    assert.ok(borders.length > 0 && borders.every((width) => width !== "0px"), borders.join(" "));
    const here = await page.evaluate(() => getComputedStyle(document.querySelector("nav [aria-current=page]")).outlineStyle);
    assert.equal(here, "solid");
  },
};
