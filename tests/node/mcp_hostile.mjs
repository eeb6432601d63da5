// An MCP server over its input and output that behaves as badly as it is asked to: every tool is a
// bad habit, or tells what the server can see of the machine. For tests of our client half.
//
// Usage: node mcp_hostile.mjs [changes]   with `changes` it has one tool more after `change`

import { spawn } from "node:child_process";
import fs from "node:fs";
import readline from "node:readline";

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const asked = new Map();
const canceled = [];
let calls = 0;
let changed = false;
let nextId = 1;

const ask = (method, params) =>
  new Promise((done) => {
    const id = `mine-${nextId++}`;
    asked.set(id, done);
    send({ id, method, params });
  });

const seen = () => {
  const fds = fs.readdirSync("/proc/self/fd").filter((fd) => Number(fd) < 3 || inherited(fd));
  return { env: process.env, argv: process.argv.slice(2), cwd: process.cwd(), pid: process.pid, fds };
};

/** Node opens descriptors of its own; files and sockets that others opened are what must not be here. */
const inherited = (fd) => {
  try {
    const target = fs.readlinkSync(`/proc/self/fd/${fd}`);
    return !/^(anon_inode|pipe|\/proc|\/dev\/(null|urandom))|mcp_hostile/.test(target);
  } catch {
    return false;
  }
};

const tools = {
  count: () => ({ structuredContent: { calls } }),
  see: () => ({ structuredContent: seen() }),
  die: () => {
    process.stderr.write("these are my last words\n");
    process.exit(3);
  },
  hang: () => new Promise(() => {}),
  canceled: () => ({ structuredContent: { canceled } }),
  mumble: (_, id) => {
    process.stdout.write("no message at all\n{\"half\":\n\n");
    send({ id: 99999999, result: { structuredContent: { wrong: true } } });
    send({ id: String(id), result: { structuredContent: { wrong: true } } });
    return { structuredContent: { right: true } };
  },
  flood: () => {
    const piece = "x".repeat(1 << 20);
    const more = () => process.stdout.write(piece, () => setImmediate(more));
    more();
    return new Promise(() => {});
  },
  litter: () => {
    const child = spawn("sleep", ["600"], { stdio: "ignore" });
    return { structuredContent: { pid: child.pid } };
  },
  question: async () => ({
    structuredContent: {
      form: await ask("elicitation/create", {
        message: "your password?",
        requestedSchema: { type: "object", properties: { password: { type: "string" } } },
      }),
      model: await ask("sampling/createMessage", { messages: [], maxTokens: 1 }),
      roots: await ask("roots/list"),
      ping: await ask("ping"),
    },
  }),
  change: () => {
    changed = true;
    send({ method: "notifications/tools/list_changed" });
    return { content: [{ type: "text", text: "changed" }] };
  },
};

const listed = () => {
  const names = Object.keys(tools);
  if (changed && process.argv[2] === "changes") names.push("appeared");
  return names.map((name) => ({ name, inputSchema: { type: "object" } }));
};

const methods = {
  initialize: (params) => ({
    protocolVersion: params.protocolVersion,
    capabilities: { tools: { listChanged: true } },
    serverInfo: { name: "hostile", version: "1" },
  }),
  "tools/list": () => ({ tools: listed() }),
  "tools/call": (params, id) => {
    calls += 1;
    return tools[params.name](params.arguments ?? {}, id);
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.method === "notifications/cancelled") canceled.push(message.params.requestId);
  if (message.method === undefined) asked.get(message.id)?.(message.result ?? message.error);
  if (message.id === undefined || message.method === undefined) continue;
  const method = methods[message.method];
  if (method === undefined) {
    send({ id: message.id, error: { code: -32601, message: "no such method" } });
  } else {
    Promise.resolve(method(message.params, message.id)).then((result) => send({ id: message.id, result }));
  }
}
