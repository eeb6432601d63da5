// What clients are told of the server, read by what reads it there: a shell, a TOML parser, JSON, and
// the encodings of links.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { parse as toml } from "smol-toml";
import { openPage } from "../lib/browser.mjs";

/** The words of a command as a shell takes it, with a program of that name in its place. */
function words(command) {
  const [program] = command.split(" ");
  const out = execFileSync("sh", ["-c", `${program}() { printf '%s\\0' "$@"; }\n${command}`], { encoding: "utf8", env: {} });
  return out.split("\0").slice(0, -1);
}

/** The address and the header that a configuration comes to. */
const READ = {
  "Claude Code": (text) => {
    const found = words(text);
    assert.deepEqual(found.slice(0, 5), ["mcp", "add", "--transport", "http", "executor"]);
    return { url: found[5], authorization: found[found.indexOf("--header") + 1].replace(/^Authorization: /, "") };
  },
  Codex: (text, page) => {
    const server = toml(text).mcp_servers.executor;
    assert.equal(server.bearer_token_env_var, "EXECUTOR_API_KEY");
    return { url: server.url, authorization: `Bearer ${page.exported.replace(/^export EXECUTOR_API_KEY=/, "")}` };
  },
  Cursor: (text) => from(JSON.parse(text).mcpServers.executor),
  "VS Code": (text) => {
    const server = JSON.parse(text).servers.executor;
    assert.equal(server.type, "http");
    return from(server);
  },
  "Gemini CLI": (text) => {
    const server = JSON.parse(text).mcpServers.executor;
    return from({ url: server.httpUrl, headers: server.headers });
  },
  opencode: (text) => {
    const server = JSON.parse(text).mcp.executor;
    assert.deepEqual([server.type, server.enabled], ["remote", true]);
    return from(server);
  },
  "Another client": (text) => {
    const [url, header] = text.split("\n");
    return { url, authorization: header.replace(/^Authorization: /, "") };
  },
};

const from = (server) => ({ url: server.url, authorization: server.headers.Authorization });

/** What a link that installs says, decoded once as its client does. */
const LINKS = {
  Cursor: (href) => {
    const link = new URL(href);
    assert.equal(`${link.protocol}//${link.host}${link.pathname}`, "cursor://anysphere.cursor-deeplink/mcp/install");
    assert.equal(link.searchParams.get("name"), "executor");
    const config = link.searchParams.get("config");
    assert.match(config, /^[A-Za-z0-9+/]+=*$/, "base64, encoded once");
    return from(JSON.parse(Buffer.from(config, "base64").toString("utf8")));
  },
  "VS Code": (href) => {
    const [scheme, query] = href.split("?");
    assert.equal(scheme, "vscode:mcp/install");
    const config = JSON.parse(decodeURIComponent(query));
    assert.deepEqual([config.name, config.type], ["executor", "http"]);
    return from(config);
  },
};

export default {
  async "each client's words come to the address and the key, as the client reads them"({ browser, server }) {
    const page = await openPage(browser, server);
    await page.goto("/clients");
    for (const [name, read] of Object.entries(READ)) {
      await page.getByRole("button", { name, exact: true }).click();
      await page.getByRole("button", { name: `Make a key for ${name}` }).click();
      await page.getByText("waiting for it to connect").waitFor();
      const text = (await page.getByTestId("snippet").innerText()).trim();
      const exported = name === "Codex" ? await page.getByText(/^export EXECUTOR_API_KEY=/).innerText() : "";
      const found = read(text, { exported });
      assert.equal(found.url, `${server.address}/mcp`, name);
      assert.match(found.authorization, /^Bearer exk_[0-9a-f]{64}$/, name);
      const me = await fetch(`${server.address}/api/v1/me`, { headers: { authorization: found.authorization } });
      assert.equal(me.status, 200, `the key of ${name} works`);
      const link = page.getByRole("link", { name: `Install in ${name}` });
      if (LINKS[name]) assert.deepEqual(LINKS[name](await link.getAttribute("href")), found, `the link of ${name} says the same`);
      else assert.equal(await link.count(), 0);
    }
    // The one of this machine speaks over standard input, and needs no key.
    await page.getByRole("button", { name: "Claude Desktop", exact: true }).click();
    const desktop = JSON.parse(await page.getByTestId("snippet").innerText()).mcpServers.executor;
    assert.deepEqual(desktop, { command: "executor", args: ["mcp"] });
    const secrets = (await page.content()).match(/exk_[0-9a-f]{64}/g);
    assert.equal(secrets, null, "no key of another card is left on the page");
    assert.deepEqual(page.faults, []);
  },
};
