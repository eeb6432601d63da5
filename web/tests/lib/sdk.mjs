// The official MCP client for TypeScript, from what the product tests install (tests/node).
import { createServer } from "node:http";
import { createRequire } from "node:module";

const tests = new URL("../../../tests/node/package.json", import.meta.url);

async function part(path) {
  const require = createRequire(tests);
  let found;
  try {
    found = require.resolve(`@modelcontextprotocol/sdk/${path}`);
  } catch {
    throw new Error(`the official MCP client is not installed: npm ci in ${new URL("./", tests).pathname}`);
  }
  return import(found);
}

async function client(name) {
  const { Client } = await part("client/index.js");
  return new Client({ name, version: "1.0.0" });
}

/** Connects with headers, such as those of a client's configuration. */
export async function connected(url, headers, name) {
  const { StreamableHTTPClientTransport } = await part("client/streamableHttp.js");
  const made = await client(name);
  await made.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  return made;
}

/** Neither on this machine nor the user who runs the server: as behind a proxy. */
const elsewhere = (url, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set("x-forwarded-for", "203.0.113.9");
  return fetch(url, { ...init, headers });
};

/** A client that is granted access by OAuth: `consent` opens the address that it sends people to. */
export async function granted(url, name, consent) {
  const { StreamableHTTPClientTransport } = await part("client/streamableHttp.js");
  const { UnauthorizedError } = await part("client/auth.js");
  let answered;
  const code = new Promise((resolve) => (answered = resolve));
  const listener = createServer((request, response) => {
    const answer = new URL(request.url, "http://127.0.0.1").searchParams.get("code");
    response.end("You can go back to the client.");
    if (answer) answered(answer);
  });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const redirectUrl = `http://127.0.0.1:${listener.address().port}/callback`;
  const kept = {};
  const authProvider = {
    redirectUrl,
    clientMetadata: { client_name: name, redirect_uris: [redirectUrl], grant_types: ["authorization_code", "refresh_token"], response_types: ["code"], token_endpoint_auth_method: "none" },
    state: () => "of the client",
    clientInformation: () => kept.client,
    saveClientInformation: (information) => void (kept.client = information),
    tokens: () => kept.tokens,
    saveTokens: (tokens) => void (kept.tokens = tokens),
    redirectToAuthorization: (address) => void (kept.address = address),
    saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
    codeVerifier: () => kept.verifier,
  };
  const transport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider, fetch: elsewhere });
  try {
    const asking = transport();
    await (await client(name)).connect(asking).then(
      () => Promise.reject(new Error("it was let in without a grant")),
      (error) => {
        if (!(error instanceof UnauthorizedError)) throw error;
      },
    );
    await consent(kept.address.toString());
    await asking.finishAuth(await code);
    const made = await client(name);
    await made.connect(transport());
    return { client: made, tokens: kept.tokens };
  } finally {
    listener.close();
  }
}
