// The client half under test, as the conformance suite wants it: a command that is given the address of a
// server and does what the scenario asks for. It adds the server to a running Executor as a source, and
// calls its tools from programs, one task for each call. It speaks no MCP itself.
//
// Usage: node client.mjs http://127.0.0.1:PORT SERVER   with MCP_CONFORMANCE_SCENARIO in the environment

const [executor, url] = process.argv.slice(2);
const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");
const name = `s${process.pid}`;

async function api(method, path, body) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${executor}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

const camel = (tool) => tool.replace(/[^A-Za-z0-9]+(.)/g, (_, letter) => letter.toUpperCase());

/** Calls a tool, and waits until its task has ended. */
async function call(tool, args = {}) {
  const given = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null));
  const code = `return await tools[${JSON.stringify(`${name}.${camel(tool)}`)}](${JSON.stringify(given)})`;
  const { id } = await api("POST", "/tasks", { code });
  for (;;) {
    const task = await api("GET", `/tasks/${id}`);
    if (!["queued", "running", "waiting"].includes(task.status)) {
      console.log(tool, task.status, JSON.stringify(task.result ?? task.error));
      return task;
    }
    if (task.status === "waiting") await answer(id);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Answers what the server under way asks of the person, as its form allows. */
async function answer(task) {
  const { items } = await api("GET", "/approvals?status=pending");
  for (const asked of items.filter((a) => a.taskId === task && a.question === "input")) {
    const content = Object.fromEntries(asked.input.parts.map((part) => [part.key, filled(part.schema)]));
    await api("POST", `/approvals/${asked.id}/answer`, { content, digest: asked.digest });
  }
}

const SAMPLES = { string: "a text", number: 1, integer: 1, boolean: true };

function filled(schema) {
  const fields = Object.entries(schema?.properties ?? {});
  return Object.fromEntries(fields.map(([name, field]) => [name, field.default ?? field.enum?.[0] ?? SAMPLES[field.type]]));
}

const SCENARIOS = {
  initialize: [],
  tools_call: [["add_numbers", { a: 5, b: 3 }]],
  "sse-retry": [["test_reconnection"]],
  "request-metadata": [],
  "sep-2322-client-request-state": [
    ["test_mrtr_echo_state"],
    ["test_mrtr_unrelated"],
    ["test_mrtr_no_state"],
    ["test_mrtr_no_result_type"],
  ],
  "http-invalid-tool-headers": [["valid_tool", { region: "us-east1" }]],
  "json-schema-ref-no-deref": [],
};

try {
  await api("POST", "/policies", { effect: "allow", match: { tools: [`${name}.**`] } });
  await api("POST", "/sources", { url, kind: "mcp", name, allowPrivate: true });
} catch (error) {
  // Some servers of the suite offer no tools: then there is no source, and the greeting was the test.
  console.log(error.message);
}
const wanted = context.toolCalls?.map((c) => [c.name, c.arguments]) ?? SCENARIOS[scenario] ?? [];
for (const [tool, args] of wanted) await call(tool, args);
if (scenario === "http-standard-headers") {
  const page = await api("GET", `/tools?namespace=${name}`);
  for (const tool of page.items ?? page.results ?? []) await call(tool.path.split(".").pop());
}
