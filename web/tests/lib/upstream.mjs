// An API on loopback that counts: it keeps every request to the byte. What pages say about what was
// sent is checked against it.
import { createServer } from "node:http";

const item = {
  type: "object",
  required: ["name", "amount"],
  properties: {
    name: { type: "string", description: "What people call it" },
    amount: { type: "integer", description: "In cents" },
    memo: { type: "string" },
    tags: { type: "array", items: { type: "string" } },
    owner: { $ref: "#/components/schemas/Owner" },
    shape: { oneOf: [{ $ref: "#/components/schemas/Circle" }, { $ref: "#/components/schemas/Square" }] },
  },
};

function description(address) {
  const id = { name: "id", in: "path", required: true, schema: { type: "string" } };
  const ok = { 200: { description: "Done", content: { "application/json": { schema: { $ref: "#/components/schemas/Item" } } } } };
  const body = { required: true, content: { "application/json": { schema: { $ref: "#/components/schemas/Item" } } } };
  const patch = { required: true, content: { "application/json": { schema: { type: "object", properties: { name: { type: "string" }, amount: { type: "integer" } } } } } };
  return {
    openapi: "3.1.0",
    info: { title: "Shop", version: "1" },
    servers: [{ url: address }],
    components: {
      schemas: {
        Item: item,
        Owner: { type: "object", required: ["id"], properties: { id: { type: "string" }, vip: { type: "boolean", default: false } } },
        Circle: { type: "object", title: "Circle", required: ["radius"], properties: { radius: { type: "number" } } },
        Square: { type: "object", title: "Square", required: ["side"], properties: { side: { type: "number" } } },
      },
    },
    paths: {
      "/items": {
        get: { operationId: "listItems", tags: ["items"], summary: "List all items.", responses: ok },
        post: { operationId: "createItem", tags: ["items"], summary: "Create an item.", requestBody: body, responses: ok },
      },
      "/items/{id}": {
        get: { operationId: "getItem", tags: ["items"], summary: "Get an item.", parameters: [id], responses: ok },
        patch: { operationId: "changeItem", tags: ["items"], summary: "Change an item.", parameters: [id], requestBody: patch, responses: ok },
        delete: { operationId: "deleteItem", tags: ["items"], summary: "Delete an item.", parameters: [id], responses: { 204: { description: "Gone" } } },
      },
    },
  };
}

/** The API in GraphQL's words. */
export const GRAPHQL = `
  type Item { id: ID!, name: String!, amount: Int! }
  type Query { items(first: Int): [Item!]!, item(id: ID!): Item }
  type Mutation { createItem(name: String!, amount: Int!): Item! }
`;

/** What opens the MCP server at `/mcp/locked`. */
export const LOCKED_TOKEN = "locked-token-91af";

/** What an MCP server of ours offers. */
const MCP_TOOLS = [
  { name: "search_notes", description: "Search all notes.", inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] } },
  { name: "add_note", description: "Add a note.", inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] } },
];

function mcpAnswer(message) {
  const result = (value) => ({ jsonrpc: "2.0", id: message.id, result: value });
  if (message.method === "initialize") return result({ protocolVersion: message.params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "Notes", version: "1.0" } });
  if (message.method === "tools/list") return result({ tools: MCP_TOOLS });
  if (message.method === "tools/call") return result({ content: [{ type: "text", text: "noted" }] });
  if (message.method === "ping") return result({});
  return { jsonrpc: "2.0", id: message.id, error: { code: -32601, message: "no such method" } };
}

/** An MCP server of the revision 2026-07-28 that asks people before it books. */
function askingAnswer({ method, params }) {
  if (method === "server/discover") return { resultType: "complete", supportedVersions: ["2026-07-28"], capabilities: { tools: {} } };
  if (method === "tools/list") return { resultType: "complete", tools: [{ name: "book", description: "Books.", inputSchema: { type: "object" } }], ttlMs: 600_000, cacheScope: "public" };
  if (params?.inputResponses !== undefined) return { resultType: "complete", structuredContent: { answers: params.inputResponses } };
  const schema = { type: "object", properties: { name: { type: "string", minLength: 1 }, size: { type: "string", enum: ["small", "large"], enumNames: ["Small", "Large"] } }, required: ["name"] };
  const asks = (more) => ({ method: "elicitation/create", params: more });
  return {
    resultType: "input_required",
    requestState: "kept",
    inputRequests: {
      who: asks({ message: "For <b>whom</b> is it?", requestedSchema: schema }),
      visit: asks({ mode: "url", message: "Confirm it there.", url: "https://login.example/confirm?for=1", elicitationId: "e1" }),
    },
  };
}

/** An authorization server that agrees at once. */
function authorize(request, response, body, address, send) {
  const url = new URL(request.url, address);
  if (url.pathname.startsWith("/.well-known/oauth-authorization-server"))
    return send(200, {
      issuer: address,
      authorization_endpoint: `${address}/oauth/authorize`,
      token_endpoint: `${address}/oauth/token`,
      response_types_supported: ["code"],
      grant_types_supported: ["authorization_code", "refresh_token"],
      code_challenge_methods_supported: ["S256"],
      token_endpoint_auth_methods_supported: ["none", "client_secret_basic", "client_secret_post"],
      authorization_response_iss_parameter_supported: true,
    });
  if (url.pathname === "/oauth/authorize") {
    const back = new URL(url.searchParams.get("redirect_uri"));
    back.searchParams.set("code", "granted-code");
    back.searchParams.set("state", url.searchParams.get("state"));
    back.searchParams.set("iss", address);
    response.writeHead(302, { location: back.toString() });
    return response.end();
  }
  if (url.pathname === "/oauth/token" && new URLSearchParams(body).get("code") === "granted-code")
    return send(200, { access_token: "granted-token-7d2e", token_type: "Bearer", expires_in: 3600, refresh_token: "refresh-token-7d2e" });
  return send(404, { error: "not_found" });
}

/** Everything that a form has to draw, in the arguments of one tool. */
function forms(address) {
  const body = {
    type: "object",
    required: ["title", "kind", "pay", "box"],
    properties: {
      title: { type: "string", minLength: 3, maxLength: 20, description: "What people call it" },
      kind: { type: "string", enum: ["small", "large"], default: "small" },
      labels: { type: "array", items: { type: "string", enum: ["red", "blue"] }, maxItems: 2 },
      count: { type: "integer", minimum: 1, maximum: 9007199254741000 },
      owner: { anyOf: [{ $ref: "#/components/schemas/Owner" }, { type: "null" }] },
      note: { type: ["string", "null"] },
      box: { allOf: [{ type: "object", required: ["wide"], properties: { wide: { type: "number", default: 2.5 } } }, { type: "object", required: ["high"], properties: { high: { type: "number", minimum: 1 } } }] },
      extra: { type: "object", additionalProperties: { type: "integer" } },
      due: { type: "string", format: "date" },
      mail: { type: "string", format: "email" },
      pay: {
        type: "object",
        required: ["amount"],
        properties: { amount: { type: "number", exclusiveMinimum: 0 } },
        oneOf: [
          { title: "by card", required: ["by", "number"], properties: { by: { const: "card" }, number: { type: "string", pattern: "^[0-9]{4}$" } } },
          { title: "by bank", required: ["by", "iban"], properties: { by: { const: "bank" }, iban: { type: "string" } } },
        ],
      },
    },
  };
  return {
    openapi: "3.1.0",
    info: { title: "Forms", version: "1" },
    servers: [{ url: address }],
    components: { schemas: { Owner: { type: "object", required: ["id"], properties: { id: { type: "string" }, boss: { $ref: "#/components/schemas/Owner" } } } } },
    paths: {
      "/forms": {
        post: { operationId: "sendForm", tags: ["desk"], summary: "Send a form.", requestBody: { required: true, content: { "application/json": { schema: body } } }, responses: { 200: { description: "ok" } } },
      },
    },
  };
}

/** A description with so many operations in two groups. */
function large(address, count) {
  const paths = {};
  for (let n = 0; n < count; n++) {
    const group = n % 2 === 0 ? "even" : "odd";
    paths[`/${group}/${n}`] = { get: { operationId: `read${String(n).padStart(4, "0")}`, tags: [group], summary: `Read number ${n}.`, responses: { 200: { description: "ok" } } } };
  }
  return { openapi: "3.1.0", info: { title: "Large", version: "1" }, servers: [{ url: address }], paths };
}

/** The description, changed. */
function changed(from) {
  const { paths } = from;
  paths["/items/{id}"].put = { ...paths["/items"].post, operationId: "replaceItem", summary: "Replace an item.", parameters: paths["/items/{id}"].get.parameters };
  paths["/items/{id}"].patch.requestBody.content["application/json"].schema.properties.reason = { type: "string" };
  delete paths["/items/{id}"].delete;
  paths["/items"].get = { ...paths["/items"].get, parameters: [{ name: "first", in: "query", schema: { type: "integer" } }] };
  return from;
}

export async function startUpstream() {
  const received = [];
  let isChanged = false;
  let operations = 520;
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts).toString("utf8");
      const send = (status, value) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(value === undefined ? undefined : JSON.stringify(value));
      };
      const path = new URL(request.url, address).pathname;
      if (path === "/openapi.json") return send(200, isChanged ? changed(description(address)) : description(address));
      if (path === "/forms.json") return send(200, forms(address));
      if (path === "/large.json") return send(200, large(address, operations));
      // Nothing is told to whoever does not bring the token.
      if (path === "/mcp/locked" && request.headers.authorization !== `Bearer ${LOCKED_TOKEN}`) return send(401, { error: "who are you?" });
      if (path === "/mcp/asking") {
        if (request.method !== "POST") return send(405, { error: "only POST" });
        const message = JSON.parse(body);
        return message.id === undefined ? send(202) : send(200, { jsonrpc: "2.0", id: message.id, result: askingAnswer(message) });
      }
      if (path.startsWith("/mcp")) {
        if (request.method !== "POST") return send(405, { error: "only POST" });
        const message = JSON.parse(body);
        return message.id === undefined ? send(202) : send(200, mcpAnswer(message));
      }
      if (path.startsWith("/oauth") || path.startsWith("/.well-known/")) return authorize(request, response, body, address, send);
      received.push({ method: request.method, url: request.url, headers: request.headers, body });
      if (body.includes("please-fail")) return send(500, { error: "as asked" });
      if (request.method === "DELETE") return send(204);
      if (request.method === "POST") return send(200, { id: `item-${received.length}`, ...JSON.parse(body) });
      if (path.startsWith("/items/")) return send(200, { name: "pen", amount: 120 });
      return send(200, [{ name: "pen", amount: 120 }, { name: "ink", amount: 900 }]);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${server.address().port}`;
  return {
    address,
    received,
    /** From now on its description has a tool more, one less and one that takes more. */
    change: () => (isChanged = true),
    /** From now on the large description holds so many operations. */
    resize: (count) => (operations = count),
    writes: () => received.filter((each) => each.method !== "GET"),
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}
