// Stands between the conformance suite and a server, so that what the suite asks of tools with fixed
// names is done by our own tools: a call of a fixture becomes a call of `execute` with a program, and a
// person who answers "yes" in the suite's words answers "yes" in ours. Everything else passes as it is,
// headers, sessions, streams, errors. It answers nothing itself.
//
// Usage: node adapter.mjs http://127.0.0.1:PORT   prints its own address and serves until it is killed.

import http from "node:http";

const upstream = new URL(process.argv[2]);

const WRITE = "await tools.ledger.items.createItem({ name: 'conformance', amount: 1 });";
const SLEEP = "const sleep = (ms) => new Promise((done) => setTimeout(done, ms));";

/** What is slow by the suite's measure is slow by ours too: a call that ends within two seconds is no task. */
const slow = (seconds) => (seconds > 0 ? 1000 * seconds + 3000 : 0);

/** What each fixture does, as a program. Names are the suite's. */
const PROGRAMS = {
  test_simple_text: () => "return 'This is a simple text response for testing.';",
  test_error_handling: () => "throw new Error('This tool intentionally returns an error for testing');",
  test_tool_with_progress: () =>
    `${SLEEP} for (const n of [0, 50, 100]) { console.log(n); await sleep(50); } return 'done';`,
  test_logging_tool: () => "console.info('one'); console.error('two'); return 'logged';",
  test_reconnection: () => `${SLEEP} console.log('begun'); await sleep(2000); return 'still here';`,
  test_elicitation: () => `${WRITE} return 'answered';`,
  test_streaming_elicitation: () => `${WRITE} return 'answered';`,
  test_input_required_result_elicitation: () => `${WRITE} return 'answered';`,
  test_input_required_result_request_state: () => `${WRITE} return 'answered';`,
  test_input_required_result_tampered_state: () => `${WRITE} return 'answered';`,
  test_input_required_result_multi_round: () => `${WRITE} ${WRITE} return 'answered twice';`,
  greet: (a) => `return ${JSON.stringify(`Hello, ${a.name}!`)};`,
  slow_compute: (a) => `${SLEEP} await sleep(${slow(Number(a.seconds ?? 1))}); return 'computed';`,
  failing_job: () => `${SLEEP} await sleep(${slow(1)}); throw new Error('it always fails');`,
  test_trigger_tool_change: () => "return 'changed';",
  confirm_delete: () => `${WRITE} return 'deleted';`,
  multi_input: () => `await Promise.all([(async () => { ${WRITE} })(), (async () => { ${WRITE} })()]); return 'both';`,
};

/** What happens before a fixture runs: a person changes what tools there are. */
const BEFORE = {
  test_trigger_tool_change: async () => {
    for (const enabled of [false, true]) {
      const body = JSON.stringify({ enabled });
      const headers = { "content-type": "application/json" };
      await fetch(new URL("/api/v1/sources/ledger", upstream), { method: "PATCH", headers, body });
    }
  },
};

/**
 * Fixtures whose stream breaks off soon after it has begun, as a network does it, and the suite comes back.
 * They ask for progress, so that there is an event to come back after.
 */
const BREAKS_OFF_MS = { test_reconnection: 1000 };

/** Which of our questions a name of the suite's stands for, by the state that goes with it. */
const asked = new Map();

function ours(message) {
  const params = message?.params;
  if (message?.method === "tools/call" && Object.hasOwn(PROGRAMS, params?.name)) {
    const code = PROGRAMS[params.name](params.arguments ?? {});
    message.params = { ...params, name: "execute", arguments: { code } };
    if (Object.hasOwn(BREAKS_OFF_MS, params.name)) message.params._meta = { ...params._meta, progressToken: "adapter" };
    rename(message.params);
  }
  if (message?.method === "tasks/update") rename(params);
  // What a person says in a form of 2025.
  if (message?.method === undefined) consent(message?.result);
  return message;
}

function rename(params) {
  const responses = params?.inputResponses;
  if (responses === null || typeof responses !== "object") return;
  const name = asked.get(params.requestState);
  if (name !== undefined && Object.hasOwn(responses, "user_name")) {
    responses[name] = responses.user_name;
    delete responses.user_name;
  }
  Object.values(responses).forEach(consent);
}

function consent(response) {
  if (response?.action === "accept" && response.content) response.content = { decision: "approve" };
}

function theirs(message) {
  const result = message?.result;
  if (Array.isArray(result?.tools) && result.tools.some((tool) => tool.name === "execute")) {
    for (const name of Object.keys(PROGRAMS)) {
      result.tools.push({ name, description: "a fixture", inputSchema: { type: "object" } });
    }
  }
  if (result?.resultType === "input_required" && result.inputRequests && result.requestState) {
    const [first, ...rest] = Object.entries(result.inputRequests);
    if (first) {
      asked.set(result.requestState, first[0]);
      result.inputRequests = Object.fromEntries([["user_name", first[1]], ...rest]);
    }
  }
  return message;
}

/** A JSON text changed by `change`; as it was where it is none. */
function changed(text, change) {
  try {
    return JSON.stringify(change(JSON.parse(text)));
  } catch {
    return text;
  }
}

/** The tool that a request calls, if it calls one. */
function tool(text) {
  try {
    return JSON.parse(text).params?.name;
  } catch {
    return undefined;
  }
}

/** Server-sent events changed message by message, as they come. */
function events(stream, out) {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const data = line.startsWith("data: ") && line.slice(6).trim();
      if (!out.writableEnded) out.write(`${data ? `data: ${changed(data, theirs)}` : line}\n`);
    }
  });
  stream.on("end", () => out.writableEnded || out.end(rest));
  stream.on("error", () => out.writableEnded || out.destroy());
}

async function whole(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

/** Names and values as they came, but for those of `instead`. */
function headers(raw, instead) {
  const kept = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at].toLowerCase();
    if (name === "content-length" || name === "transfer-encoding" || name === "connection") continue;
    kept.push(raw[at], instead(name, raw[at + 1]) ?? raw[at + 1]);
  }
  return kept;
}

const server = http.createServer(async (request, answer) => {
  const given = await whole(request);
  const text = given.toString("utf8");
  const body = given.length > 0 ? Buffer.from(changed(text, ours)) : given;
  await BEFORE[tool(text)]?.();
  const breaksOffMs = BREAKS_OFF_MS[tool(text)];
  const mine = `${server.address().port}`;
  const sent = headers(request.rawHeaders, (name, value) => {
    if (name === "mcp-name" && Object.hasOwn(PROGRAMS, value.trim())) return "execute";
    // The server's own port is part of its own address; a foreign name stays foreign.
    if (name === "host" || name === "origin") return value.replace(`:${mine}`, `:${upstream.port}`);
    return undefined;
  });
  if (given.length > 0) sent.push("content-length", `${body.length}`);
  const onward = http.request(
    { host: upstream.hostname, port: upstream.port, path: request.url, method: request.method, headers: sent, setHost: false },
    async (came) => {
      const kind = came.headers["content-type"] ?? "";
      const back = headers(came.rawHeaders, () => undefined);
      if (kind.startsWith("text/event-stream")) {
        answer.writeHead(came.statusCode, back);
        answer.flushHeaders();
        if (breaksOffMs !== undefined) setTimeout(() => answer.end(() => onward.destroy()), breaksOffMs);
        events(came, answer);
      } else {
        const text = await whole(came);
        const body = kind.startsWith("application/json") ? Buffer.from(changed(text.toString("utf8"), theirs)) : text;
        answer.writeHead(came.statusCode, [...back, "content-length", `${body.length}`]);
        answer.end(body);
      }
    },
  );
  onward.on("error", () => answer.destroy());
  answer.on("close", () => onward.destroy());
  onward.end(body);
});

server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
