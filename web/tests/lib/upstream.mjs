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
        delete: { operationId: "deleteItem", tags: ["items"], summary: "Delete an item.", parameters: [id], responses: { 204: { description: "Gone" } } },
      },
    },
  };
}

export async function startUpstream() {
  const received = [];
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts).toString("utf8");
      const send = (status, value) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(value === undefined ? undefined : JSON.stringify(value));
      };
      if (request.url === "/openapi.json") return send(200, description(address));
      received.push({ method: request.method, url: request.url, body });
      if (body.includes("please-fail")) return send(500, { error: "as asked" });
      if (request.method === "DELETE") return send(204);
      if (request.method === "POST") return send(200, { id: `item-${received.length}`, ...JSON.parse(body) });
      return send(200, [{ name: "pen", amount: 120 }, { name: "ink", amount: 900 }]);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${server.address().port}`;
  return {
    address,
    received,
    writes: () => received.filter((each) => each.method !== "GET"),
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}
