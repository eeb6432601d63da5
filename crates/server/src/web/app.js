// The page of a build without the dashboard: what waits for an answer, what ran, and one of each.
// Draws with text nodes alone; knows only the public API; follows the event stream.
"use strict";

const main = document.getElementById("main");
const api = "/api/v1";

// ---------- reading and writing ----------

async function request(method, path, body) {
  const options = { method, headers: { accept: "application/json" } };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(api + path, options);
  const answer = response.status === 204 ? null : await response.json();
  if (response.ok) return answer;
  const error = new Error([answer.title, answer.nextStep].filter(Boolean).join(". "));
  error.status = response.status;
  throw error;
}
const get = (path) => request("GET", path);

// ---------- drawing ----------

// Characters that are invisible, or change the order in which others are read.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;

// Text as nodes, hidden characters spelled out, so that what is approved is what is seen.
function seen(text) {
  const out = [];
  let last = 0;
  for (const match of String(text).matchAll(HIDDEN)) {
    out.push(text.slice(last, match.index));
    const code = match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    out.push(el("span", { class: "hidden-mark", title: "hidden character" }, "\\u{" + code + "}"));
    last = match.index + match[0].length;
  }
  out.push(String(text).slice(last));
  return out;
}

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...present(children));
  return node;
}

// Children in one list, without those that a condition left out.
function present(children) {
  return children.flat(Infinity).filter((child) => child != null && child !== false);
}

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
const block = (value) => el("pre", { class: "block", tabindex: "0" }, seen(text(value)));
const time = (iso) => el("time", { datetime: iso, title: iso }, new Date(iso).toLocaleString());
const count = (n, one) => n + " " + one + (n === 1 ? "" : "s");
const TONES = {
  completed: "good", approved: "good", succeeded: "good", read: "good", allow: "good",
  waiting: "warn", pending: "warn", write: "warn", ask: "warn", queued: "muted", running: "muted",
};
const badge = (word) => el("span", { class: "badge " + (TONES[word] || "bad") }, word.replace("_", " "));
const facts = (pairs) =>
  el("dl", {}, pairs.filter(([, value]) => value != null && value !== "").map(([name, value]) =>
    [el("dt", {}, name), el("dd", {}, Array.isArray(value) || value instanceof Node ? value : seen(value))]));

function draw(...nodes) {
  const focused = document.activeElement && document.activeElement.id;
  main.replaceChildren(...present(nodes));
  main.removeAttribute("aria-busy");
  if (focused) document.getElementById(focused)?.focus();
}

function failed(error) {
  draw(el("section", { class: "card", role: "alert" },
    el("h1", {}, error.status === 404 ? "Not here" : "This did not work"),
    el("p", {}, error.message), el("p", {}, el("a", { href: "/" }, "To the start"))));
}

function until(iso) {
  const minutes = Math.ceil((new Date(iso) - Date.now()) / 60000);
  if (minutes <= 0) return "any moment";
  return minutes < 120 ? "in " + count(minutes, "minute") : "in " + count(Math.round(minutes / 60), "hour");
}

// ---------- approvals ----------

// The request as it will be sent, in the order in which a server reads it.
function sent(request) {
  if (request === null) return el("p", { class: "warn" }, "It cannot be sent any more.");
  const { method, url, headers, ...rest } = request || {};
  if (typeof method !== "string" || typeof url !== "string") return block(request);
  const lines = (Array.isArray(headers) ? headers : Object.entries(headers || {}))
    .map((header) => Array.isArray(header) ? header.join(": ") : text(header));
  const body = typeof rest.body === "string" ? rest.body : rest.body == null ? null : text(rest.body);
  delete rest.body;
  const more = Object.values(rest).some((value) => value != null) ? text(rest) : null;
  return block([method + " " + url, ...lines].join("\n") + (body == null ? "" : "\n\n" + body) + (more == null ? "" : "\n\n" + more));
}

// What a person typed stays when the list is drawn anew.
const reasons = new Map();
const values = new Map();

function answerForm(approval) {
  const problem = el("p", { class: "bad", role: "alert" });
  const field = "reason-" + approval.id;
  const input = el("input", {
    id: field, maxlength: "2000", autocomplete: "off", value: reasons.get(approval.id) || "",
    oninput: (event) => reasons.set(approval.id, event.target.value),
  });
  const again = approval.question === "send_again";
  const given = "value-" + approval.id;
  const value = again && el("input", {
    id: given, autocomplete: "off", value: values.get(approval.id) || "null",
    oninput: (event) => values.set(approval.id, event.target.value),
  });
  const decide = (verdict) => async () => {
    const buttons = form.querySelectorAll("button");
    buttons.forEach((button) => { button.disabled = true; });
    problem.textContent = "";
    try {
      const answer = { digest: approval.digest, reason: input.value || undefined };
      if (verdict === "happened") answer.value = JSON.parse(value.value);
      await request("POST", "/approvals/" + approval.id + "/" + verdict, answer);
      reasons.delete(approval.id);
      values.delete(approval.id);
      refresh();
    } catch (error) {
      problem.textContent = error.message;
      buttons.forEach((button) => { button.disabled = false; });
    }
  };
  const form = el("form", { onsubmit: (event) => event.preventDefault() },
    el("label", { for: field }, "Reason (the program learns it)", input),
    el("button", { type: "button", class: "main", id: "approve-" + approval.id, onclick: decide("approve") }, again ? "Send again" : "Approve"),
    again && el("button", { type: "button", id: "happened-" + approval.id, onclick: decide("happened") }, "It happened"),
    el("button", { type: "button", class: "no", id: "deny-" + approval.id, onclick: decide("deny") }, again ? "Let it fail" : "Deny"),
    again && el("label", { for: given }, "If it happened: what it gave, as JSON", value));
  return [form, problem];
}

function approvalCard(approval, heading) {
  const pending = approval.status === "pending";
  return el("article", { class: "card" + (pending ? " pending" : "") },
    el("div", { class: "row" },
      el(heading, { class: "path" }, heading === "h1" ? seen(approval.tool) : el("a", { href: "/approvals/" + approval.id }, seen(approval.tool))),
      badge(approval.risk), el("span", { class: "end" }, badge(approval.status))),
    approval.question === "send_again" && el("p", { class: "warn" },
      "The server stopped while this call was under way. It may have arrived. Look at its effect, then send it again, say that it happened, or let it fail."),
    el("p", {}, seen(approval.why)),
    facts([
      ["Task", el("a", { href: "/tasks/" + approval.taskId, class: "mono" }, approval.taskId)],
      ["Asked", [time(approval.createdAt), " for ", el("span", { class: "mono" }, approval.requestedBy)]],
      ["Expires", pending ? [until(approval.expiresAt), " (", time(approval.expiresAt), ")"] : null],
      ["Answered", approval.decidedAt ? [time(approval.decidedAt), " by ", el("span", { class: "mono" }, approval.decidedBy), " through " + approval.decidedVia] : null],
      ["Reason", approval.reason],
      ["Needs", approval.needed > 1 ? approval.needed + " people, " + approval.missing + " still missing" : null],
      ["Yes by", approval.answers.length ? approval.answers.map((yes) => el("span", { class: "mono" }, yes.by + " ")) : null],
      ["Edited", approval.edited ? [time(approval.edited.at), " by ", el("span", { class: "mono" }, approval.edited.by), "; the program asked for ", block(approval.edited.originalArguments)] : null],
    ]),
    el("h3", {}, "Arguments"), block(approval.arguments),
    el("h3", {}, "The request, as it will be sent; its credential is added then"), sent(approval.request),
    pending && answerForm(approval));
}

// ---------- pages ----------

async function home() {
  const [me, sources, pending, tasks] = await Promise.all([
    get("/me"), get("/sources"), get("/approvals?status=pending&limit=50"), get("/tasks?limit=20")]);
  document.getElementById("place").textContent = me.workspace.name;
  const enabled = sources.items.filter((source) => source.status !== "disabled");
  const tools = enabled.reduce((sum, source) => sum + source.toolCount, 0);
  document.title = (pending.items.length ? "(" + pending.items.length + ") " : "") + "Executor";
  draw(
    el("section", {},
      el("h1", {}, "One gate between agents and your APIs"),
      el("p", { class: "muted" }, "Agents send programs. They run in a locked sandbox where every tool is a function; each call is allowed, refused, or waits here for you."),
      el("ul", { class: "facts" },
        el("li", {}, el("b", {}, String(enabled.length)), " " + (enabled.length === 1 ? "source" : "sources")),
        el("li", {}, el("b", {}, String(tools)), " " + (tools === 1 ? "tool" : "tools")),
        el("li", {}, el("b", {}, String(pending.items.length) + (pending.nextCursor ? "+" : "")), " waiting for you")),
      enabled.length === 0 && el("div", { class: "card" },
        el("p", {}, "No source is connected. Try the bundled example, or add an API by its OpenAPI description:"),
        block("executor example\nexecutor sources add https://example.com/openapi.json"))),
    el("section", { "aria-labelledby": "waiting" }, el("h2", { id: "waiting" }, "Waiting for you"),
      pending.items.length ? pending.items.map((approval) => approvalCard(approval, "h3")) : el("p", { class: "muted" }, "Nothing.")),
    el("section", { "aria-labelledby": "recent" }, el("h2", { id: "recent" }, "Recent tasks"),
      tasks.items.length ? taskTable(tasks.items) : el("p", { class: "muted" }, "None yet.")));
}

function taskTable(tasks) {
  const first = (code) => (code.split("\n").find((line) => line.trim()) || "").trim().slice(0, 80);
  return el("table", {},
    el("thead", {}, el("tr", {}, ["Status", "Program", "From", "Submitted"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, tasks.map((task) => el("tr", {},
      el("td", {}, badge(task.status)),
      el("td", {}, el("a", { href: "/tasks/" + task.id }, el("code", {}, seen(first(task.code) || task.id)))),
      el("td", {}, seen(task.client || task.channel)),
      el("td", { class: "muted" }, time(task.createdAt))))));
}

async function approvalPage(id) {
  const approval = await get("/approvals/" + id);
  document.title = approval.tool + " · Executor";
  draw(approvalCard(approval, "h1"));
}

async function taskPage(id) {
  const [task, calls, logs] = await Promise.all([
    get("/tasks/" + id), get("/tasks/" + id + "/calls"), get("/tasks/" + id + "/logs")]);
  document.title = task.status + " · Executor";
  const live = ["queued", "running", "waiting"].includes(task.status);
  const pending = task.approvals.filter((approval) => approval.status === "pending");
  draw(
    el("section", { class: "row" }, el("h1", { class: "path" }, task.id), badge(task.status),
      live && el("button", { type: "button", id: "cancel", class: "end", onclick: async (event) => {
        event.target.disabled = true;
        await request("POST", "/tasks/" + id + "/cancel").then(refresh, failed);
      } }, "Cancel")),
    facts([
      ["From", [...seen(task.client || task.channel), " for ", el("span", { class: "mono" }, task.requestedBy)]],
      ["Submitted", time(task.createdAt)], ["Began", task.startedAt && time(task.startedAt)],
      ["Ended", task.finishedAt && time(task.finishedAt)],
    ]),
    pending.map((approval) => approvalCard(approval, "h2")),
    task.error && el("section", {}, el("h2", {}, "Error"),
      block(task.error.code + ": " + task.error.message + (task.error.line ? " (line " + task.error.line + (task.error.column ? ", column " + task.error.column : "") + ")" : "") + (task.error.stack ? "\n\n" + task.error.stack : ""))),
    task.status === "completed" && el("section", {}, el("h2", {}, "Result"), block(task.result === undefined ? "null" : task.result)),
    logs.items.length > 0 && el("section", {}, el("h2", {}, "Logs"),
      block(logs.items.map((line) => (line.level === "log" ? "" : line.level + ": ") + line.text).join("\n"))),
    calls.items.length > 0 && el("section", {}, el("h2", {}, "Calls"), calls.items.map(callCard)),
    el("section", {}, el("h2", {}, "Program"),
      el("ol", { class: "code", tabindex: "0" }, task.code.split("\n").map((line) => el("li", {}, seen(line))))));
}

function callCard(call) {
  return el("details", { class: "card", id: call.id },
    el("summary", {}, el("span", { class: "muted" }, call.sequence + ". "), el("span", { class: "path" }, seen(call.tool)), " ",
      badge(call.status), " ", el("span", { class: "muted" }, (call.decision === "none" ? "built in" : "policy: " + call.decision) + (call.line ? ", line " + call.line : ""))),
    el("h3", {}, "Arguments"), block(call.arguments),
    call.error && [el("h3", {}, "Error"), block(call.error)],
    call.result !== undefined && [el("h3", {}, "Data"), block(call.result)]);
}

// ---------- staying current ----------

// The dashboard's addresses lead here too: of a workspace, and the short one of an approval.
const place = location.pathname.replace(/^\/w\/[^/]+/, "").replace(/^\/a\//, "/approvals/");
const [, kind, id] = place.split("/");
const page = kind === "approvals" && id ? () => approvalPage(id) : kind === "tasks" && id ? () => taskPage(id) : home;

let drawing = false;
let stale = false;

// Draws once at a time, and once more if something happened meanwhile. Open calls stay open.
async function refresh() {
  if (drawing) { stale = true; return; }
  drawing = true;
  do {
    stale = false;
    const open = [...document.querySelectorAll("details[open]")].map((node) => node.id);
    try { await page(); } catch (error) { failed(error); }
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  } while (stale);
  drawing = false;
}

async function follow() {
  const me = await get("/me");
  const events = new EventSource(api + "/workspaces/" + encodeURIComponent(me.workspace.id) + "/events");
  const light = document.getElementById("live");
  let timer = 0;
  const soon = (event) => {
    // A page about one task need not know of the others.
    if (kind === "tasks" && JSON.parse(event.data).taskId !== id) return;
    clearTimeout(timer);
    timer = setTimeout(refresh, 150);
  };
  ["task", "log", "call", "approval", "source", "policy"].forEach((name) => events.addEventListener(name, soon));
  // After a gap the stream goes on where it broke off; what is drawn may be old until then.
  events.onopen = () => { if (light.textContent) { light.textContent = ""; refresh(); } };
  events.onerror = () => { light.textContent = "Not connected; trying again"; };
  // The time until an approval expires, and whether it did.
  setInterval(() => { if (!document.querySelector("input:focus")) refresh(); }, 30000);
}

refresh().then(follow).catch(failed);
