// Plays one conversation with Executor through the official MCP client for TypeScript.
//
// Reads one JSON object from stdin: `transport` ("http" with `url`, or "stdio" with `command` and
// `env`), `api` (address of the HTTP API, with which a person answers), `read`, `thrown` and `write`
// (programs). Prints what came back as one JSON object; judging it is left to the Rust test that
// started this.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const order = JSON.parse(await new Response(process.stdin).text());

/** Answers an approval the way a person's client does: through the HTTP API. */
async function approve(id) {
  const answer = await fetch(`${order.api}/approvals/${id}/approve`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return answer.json();
}

/** The parts of a tool's result that the test looks at. */
function shown(result) {
  return {
    isError: result.isError === true,
    structured: result.structuredContent ?? null,
    text: result.content.map((block) => block.text ?? "").join(""),
  };
}

const transport =
  order.transport === "http"
    ? new StreamableHTTPClientTransport(new URL(order.url))
    : new StdioClientTransport({ command: order.command, args: ["mcp"], env: order.env });

const client = new Client({ name: "executor-tests", version: "1.0.0" });
await client.connect(transport);
const call = (name, args) => client.callTool({ name, arguments: args });

const { tools } = await client.listTools();
const found = await call("search_tools", { query: order.query });
const read = await call("execute", { code: order.read });
const thrown = await call("execute", { code: order.thrown });
const waiting = await call("execute", { code: order.write });
const answers = [];
for (const approval of waiting.structuredContent.approvals ?? []) {
  answers.push(await approve(approval.id));
}
const resumed = await call("resume", { taskId: waiting.structuredContent.taskId });
const left = await call("execute", { code: order.write });
const canceled = await call("cancel_task", { taskId: left.structuredContent.taskId });

const conversation = {
  protocol: transport.protocolVersion ?? null,
  server: client.getServerVersion().name,
  tools: tools.map((tool) => ({ name: tool.name, description: tool.description ?? "" })),
  found: shown(found),
  read: shown(read),
  thrown: shown(thrown),
  waiting: shown(waiting),
  answers,
  resumed: shown(resumed),
  canceled: shown(canceled),
};
await client.close();
process.stdout.write(JSON.stringify(conversation) + "\n");
