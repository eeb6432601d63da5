// The official MCP client for TypeScript on its whole way to a token: discovery, registration, a
// person's consent, code, call; then a refresh, and a call again.
//
// Reads one JSON object from stdin: `url` of the MCP endpoint, `link` that signs a browser in, `code`
// (a program). The person is played by a few requests with cookies. Prints what came back; judging it
// is left to the Rust test that started this.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const order = JSON.parse(await new Response(process.stdin).text());

// Neither the browser nor the client is the user who runs the server.
const elsewhere = (url, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set("x-forwarded-for", "203.0.113.9");
  return fetch(url, { ...init, headers });
};

const cookies = new Map();
async function browse(url, init = {}) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const answer = await elsewhere(url, {
    ...init,
    redirect: "manual",
    headers: { ...init.headers, cookie },
  });
  for (const line of answer.headers.getSetCookie()) {
    const [pair] = line.split(";");
    cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
  }
  return answer;
}

let consents = 0;
async function consent(url) {
  consents += 1;
  const page = await (await browse(url)).text();
  const input = (name) => page.match(new RegExp(`name="${name}" value="([^"]*)"`))[1];
  const form = new URLSearchParams({
    ticket: input("ticket"),
    workspace: input("workspace"),
    decision: "allow",
  });
  for (const [, scope] of page.matchAll(/name="(scope_[a-z]+)"/g)) form.set(scope, "on");
  const answer = await browse(new URL("/oauth/authorize", order.url), {
    method: "POST",
    body: form,
  });
  return new URL(answer.headers.get("location")).searchParams.get("code");
}

const kept = {};
let sentTo;
const provider = {
  redirectUrl: "http://127.0.0.1:9/callback",
  clientMetadata: {
    client_name: "executor-tests",
    redirect_uris: ["http://127.0.0.1:9/callback"],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  state: () => "state of the client",
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void (kept.tokens = tokens),
  redirectToAuthorization: (url) => void (sentTo = url),
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  codeVerifier: () => kept.verifier,
};

const connect = async () => {
  const transport = new StreamableHTTPClientTransport(new URL(order.url), {
    authProvider: provider,
    fetch: elsewhere,
  });
  const client = new Client({ name: "executor-tests", version: "1.0.0" });
  try {
    await client.connect(transport);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await transport.finishAuth(await consent(sentTo));
    return connect();
  }
  return client;
};

const run = async () => {
  const client = await connect();
  const result = await client.callTool({ name: "execute", arguments: { code: order.code } });
  await client.close();
  return result.structuredContent;
};

await browse(order.link);
const first = await run();
const before = kept.tokens.refresh_token;
kept.tokens = { ...kept.tokens, access_token: "exa_gone" };
const second = await run();
const refreshed = kept.tokens.refresh_token !== before;
process.stdout.write(JSON.stringify({ first, second, consents, refreshed }) + "\n");
