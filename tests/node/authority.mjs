// A real authorization server (oidc-provider) and an API that it protects, for the tests of OAuth.
// Called as: node authority.mjs REDIRECT_URI. Prints its addresses as one line of JSON, then serves
// until it is ended. GET /_log of the API tells what was granted.

import http from "node:http";
import Provider from "oidc-provider";

const redirectUri = process.argv[2];

const listen = (server) =>
  new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`));
  });

// The issuer has to be known before it is made: the port is taken first.
let handle;
const authority = http.createServer((request, response) => handle(request, response));
const issuer = await listen(authority);
const lifetime = 3600;
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "app",
      client_secret: "app-secret-0123456789",
      redirect_uris: [redirectUri],
      application_type: "native",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    },
    {
      client_id: "machine",
      client_secret: "machine-secret-0123456789",
      redirect_uris: [],
      response_types: [],
      grant_types: ["client_credentials"],
    },
  ],
  scopes: ["openid", "offline_access"],
  claims: { openid: ["sub", "email"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["only for tests"] },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        scope: "things:read",
        audience: resource,
        accessTokenFormat: "opaque",
      }),
      useGrantedResource: () => true,
    },
    revocation: { enabled: true },
  },
  rotateRefreshToken: true,
  ttl: { AccessToken: lifetime, ClientCredentials: lifetime, RefreshToken: 86400, Grant: 86400 },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@authority.example` }),
  }),
});
provider.proxy = false;
handle = provider.callback();

const log = [];
provider.on("grant.success", (ctx) => log.push(ctx.oidc.params.grant_type));
provider.on("grant.error", (ctx, error) => log.push(`${error.error}: ${error.error_description}`));
provider.on("registration_create.success", () => log.push("registered"));
provider.on("grant.revoked", () => log.push("revoked"));

const api = http.createServer(async (request, response) => {
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
  const base = `http://${request.headers.host}`;
  switch (request.url) {
    case "/openapi.json":
      return send(200, {
        openapi: "3.1.0",
        info: { title: "Things", version: "1" },
        servers: [{ url: base }],
        paths: { "/things": { get: { operationId: "listThings", responses: {} } } },
      });
    case "/.well-known/oauth-protected-resource":
      return send(200, {
        resource: base,
        authorization_servers: [issuer],
        scopes_supported: ["things:read"],
      });
    case "/_log":
      return send(200, log);
    case "/_expire": {
      // The one who called last carries a token that is not good any more.
      const { token } = api;
      await token?.destroy();
      return send(200, {});
    }
  }
  const value = (request.headers.authorization ?? "").replace(/^Bearer /i, "");
  const token =
    (await provider.AccessToken.find(value)) ?? (await provider.ClientCredentials.find(value));
  if (!token) {
    const where = `Bearer resource_metadata="${base}/.well-known/oauth-protected-resource"`;
    return send(401, { error: "invalid_token" }, { "www-authenticate": where });
  }
  api.token = token;
  send(200, { who: token.accountId ?? token.clientId, scope: token.scope });
});
const resource = await listen(api);
console.log(JSON.stringify({ issuer, api: resource }));
