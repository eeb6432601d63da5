// Clients: how they are told of the server, how the page sees them come, what they were granted. The
// client is the official one for TypeScript.
import assert from "node:assert/strict";
import { violations } from "../lib/axe.mjs";
import { openPage } from "../lib/browser.mjs";
import { connected, granted } from "../lib/sdk.mjs";
import { apiOf, until } from "../lib/server.mjs";

export default {
  async "every snippet parses, and the page sees an official client come and send its first task"({ browser, server, upstream }) {
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
    // The file's text says the same as the link.
    const file = JSON.parse(await page.getByTestId("snippet").innerText());
    assert.deepEqual(file.mcpServers.executor, { url: config.url, headers: config.headers });
    await page.getByText("waiting for it to connect").waitFor();
    const client = await connected(config.url, config.headers, "cursor-tests");
    const { tools } = await client.listTools();
    assert.ok(tools.some((tool) => tool.name === "execute"));
    const shown = `${tools.length} tools listed`;
    const card = page.getByRole("region", { name: "Connect Cursor" });
    await card.getByText(new RegExp(`connected .*, ${shown}, waiting for its first task`)).waitFor();
    const row = page.getByRole("listitem").filter({ hasText: "cursor-tests" });
    await row.getByText("no task yet").waitFor();
    await row.getByText(shown).waitFor();
    const ran = await client.callTool({ name: "execute", arguments: { code: "return (await tools.shop.items.listItems()).length" } });
    assert.equal(ran.structuredContent.result, 2);
    assert.equal(upstream.received.length, 1);
    await card.getByText(new RegExp(`connected, ${shown}, first task`)).waitFor();
    await row.getByText("1 task").waitFor();
    await row.getByText(shown).waitFor();
    await page.getByRole("listitem").filter({ hasText: "cursor-tests" }).getByText("key “Cursor”").waitFor();
    await client.close();
    // The secret is gone with the page.
    await page.reload();
    await page.getByRole("heading", { name: "Clients", exact: true }).waitFor();
    assert.ok(!(await page.content()).includes(secret));
    assert.ok(!(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }))).includes(secret));
    assert.deepEqual(page.faults, []);
  },

  async "a client without a key is told how to sign in, and the card sees it come"({ browser, server }) {
    const page = await openPage(browser, server);
    await page.goto("/clients");
    await page.getByRole("button", { name: "Cursor", exact: true }).click();
    await page.getByRole("button", { name: "By signing in from it" }).click();
    const link = page.getByRole("link", { name: "Install in Cursor" });
    const config = JSON.parse(Buffer.from(new URL(await link.getAttribute("href")).searchParams.get("config"), "base64").toString("utf8"));
    assert.deepEqual(config, { url: `${server.address}/mcp` });
    assert.deepEqual(JSON.parse(await page.getByTestId("snippet").innerText()).mcpServers.executor, config);
    const card = page.getByRole("region", { name: "Connect Cursor" });
    await card.getByText("waiting for it to connect").waitFor();
    for (const name of ["Claude Code", "Codex", "VS Code", "Gemini CLI", "opencode", "Another client"]) {
      await page.getByRole("button", { name, exact: true }).click();
      await page.getByRole("button", { name: "By signing in from it" }).click();
      const text = await page.getByTestId("snippet").innerText();
      assert.ok(text.includes(`${server.address}/mcp`) && !/exk_|Bearer|EXECUTOR_API_KEY/.test(text), text);
    }
    // On the server's own machine nobody has to sign in.
    await page.getByRole("button", { name: "Cursor", exact: true }).click();
    await page.getByRole("button", { name: "By signing in from it" }).click();
    await card.getByText("waiting for it to connect").waitFor();
    await page.getByText("Nobody yet.").waitFor();
    const client = await connected(config.url, {}, "cursor-without-a-key");
    const { tools } = await client.listTools();
    await card.getByText(new RegExp(`connected .*, ${tools.length} tools listed, waiting for its first task`)).waitFor();
    await client.callTool({ name: "execute", arguments: { code: "return 1" } });
    await card.getByText(/connected, .*, first task/).waitFor();
    await client.close();
    for (const [width, theme] of [[1440, "light"], [360, "dark"]]) {
      const look = await openPage(browser, server, { width, theme });
      await look.goto("/clients");
      await look.getByRole("button", { name: "By signing in from it" }).click();
      await look.getByRole("region", { name: "Granted to clients" }).waitFor();
      assert.deepEqual(await violations(look), []);
    }
    assert.deepEqual(page.faults, []);
  },

  async "a client is granted access on a page, shown with what it may do, and shut out again"({ browser, server }) {
    let asked = 0;
    const { client, tokens } = await granted(`${server.address}/mcp`, "A careful client", async (address) => {
      asked += 1;
      for (const [width, theme] of [[1440, "light"], [360, "dark"]]) {
        // Looked at, and left without an answer.
        const page = await openPage(browser, server, { width, theme });
        await page.goto(address);
        await page.getByText("A careful client").first().waitFor();
        await page.getByText("nobody has checked it").waitFor();
        assert.deepEqual(await violations(page), []);
        await page.context().close();
      }
      const page = await openPage(browser, server);
      await page.goto(address);
      await page.getByRole("button", { name: "Allow" }).click();
      await page.getByText("You can go back to the client.").waitFor();
    });
    assert.equal(asked, 1);
    const ran = await client.callTool({ name: "execute", arguments: { code: "return await tools.shop.items.createItem({ name: 'x', amount: 1 })", waitForResult: false } });
    const page = await openPage(browser, server);
    await page.goto("/w/local/settings/keys");
    const grants = page.getByRole("region", { name: "Granted to clients" });
    const row = grants.getByRole("listitem").filter({ hasText: "A careful client" });
    await row.getByText("calls itself").waitFor();
    await row.getByText(/for run.*over mcp/).waitFor();
    assert.ok(!(await page.content()).includes(tokens.access_token));
    // The card of what it asks says that it came by a grant.
    await server.pending();
    const [approval] = await server.pending();
    assert.equal(approval.taskId, ran.structuredContent.taskId);
    await page.goto(`/approvals/${approval.id}`);
    await page.getByText("with what was granted to it by OAuth").waitFor();
    await page.goto("/w/local/settings/keys");
    await row.getByRole("button", { name: "Revoke what A careful client was granted" }).click();
    const sure = page.getByRole("alertdialog");
    await sure.getByText("A careful client").first().waitFor();
    await sure.getByRole("button", { name: "Revoke it" }).click();
    await row.waitFor({ state: "detached" });
    await grants.getByText(/^Nothing\./).waitFor();
    // Its token opens nothing from now on, and what it began calls nothing any more.
    const mcp = (token) => fetch(`${server.address}/mcp`, { method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json", accept: "application/json, text/event-stream" }, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }) });
    await until(async () => (await mcp(tokens.access_token)).status === 401, "the token to be refused");
    const { secret } = await server.post("/keys", { name: "another" });
    assert.notEqual((await mcp(secret)).status, 401, "others are let in as before");
    assert.equal((await apiOf(server.address, secret).send("GET", "/me")).status, 200);
    assert.deepEqual(page.faults, []);
  },
};
