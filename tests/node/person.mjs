// A person behind the official MCP client for TypeScript, who is asked in a form and answers.
//
// Reads one JSON object from stdin: `transport` ("http" with `url` and `headers` of its own, or "stdio"
// with `command` and `env`), `code` (a program) and `answers`, one for each question: "approve", "deny",
// "decline", "cancel", or an object that fills the form in. Without `answers` the client has no forms.
// Prints what the person was shown and what came back; judging it is left to the Rust test that started
// this.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const order = JSON.parse(await new Response(process.stdin).text());
const transport =
  order.transport === "http"
    ? new StreamableHTTPClientTransport(new URL(order.url), { requestInit: { headers: order.headers } })
    : new StdioClientTransport({ command: order.command, args: ["mcp"], env: order.env });

const shown = [];
const progress = [];
const client = new Client(
  { name: "executor-tests", version: "1.0.0" },
  { capabilities: order.answers ? { elicitation: { form: {} } } : {} },
);
const ask = async ({ params }) => {
  shown.push(params);
  const answer = order.answers.shift();
  if (typeof answer === "object") return { action: "accept", content: answer };
  if (answer !== "approve" && answer !== "deny") return { action: answer };
  return { action: "accept", content: { decision: answer, reason: `the person says ${answer}` } };
};
if (order.answers) client.setRequestHandler(ElicitRequestSchema, ask);
await client.connect(transport);
const call = { name: "execute", arguments: { code: order.code } };
const result = await client.callTool(call, undefined, {
  onprogress: ({ message }) => progress.push(message),
});
await client.close();
const told = {
  protocol: transport.protocolVersion ?? null,
  shown,
  progress,
  structured: result.structuredContent ?? null,
  text: result.content.map((block) => block.text ?? "").join(""),
};
process.stdout.write(JSON.stringify(told) + "\n");
