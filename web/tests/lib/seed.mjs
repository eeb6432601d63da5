// A data directory that holds much: the backup of a small one, its rows repeated under identifiers of
// their own, taken in again by the program itself.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { BINARY } from "./server.mjs";

/** The first task is asked about its second call, the other has ended; both call once before. */
const WAITING = "// Waits\nawait tools.shop.items.listItems();\nawait tools.shop.items.createItem({ name: 'pen', amount: 250 });";
const ENDED = "// Ended\nreturn await tools.shop.items.listItems();";

/** A hash over parts that cannot be mistaken for one another, as journals are chained with. */
function hashed(parts) {
  const hash = createHash("sha256");
  for (const part of parts) {
    const bytes = typeof part === "string" ? Buffer.from(part, "utf8") : part;
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(bytes.length));
    hash.update(length).update(bytes);
  }
  return hash.digest("base64").replaceAll("=", "");
}
const u32 = (n) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(n);
  return bytes;
};
const i64 = (n) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(n));
  return bytes;
};

/** A digest as it is shown, of how a row has it: in fewer characters. */
const unpacked = (digest) => (digest.length === 43 ? Buffer.from(digest, "base64").toString("hex") : digest);

/** Chains the calls of a task, which the server looks at before it shows them. */
function chained(task, calls) {
  const pins = JSON.parse(task.pins);
  let before = hashed(["executor-journal-1", task.id, unpacked(task.seed), unpacked(pins.source), unpacked(pins.code), task.engine]);
  return calls.map((call) => {
    // A row names no digest that its arguments have by themselves.
    const digest = call.arguments_digest || createHash("sha256").update(call.arguments).digest("hex");
    const chain = hashed(["executor-call-1", before, call.id, u32(call.sequence), call.tool, digest, call.arguments, call.options, u32(call.line ?? 0), u32(call.position ?? 0), i64(call.started_at)]);
    const outcome = hashed([
      "executor-outcome-1", chain, unpacked(call.definition_digest), i64(call.policy_version), call.source_id ?? "", call.risk, call.decision, call.rule_id ?? "", call.status, call.outcome ?? "",
      u32(call.delivery_order ?? 0), i64(call.delivery_now ?? 0), i64(call.delivery_elapsed_ms ?? 0),
    ]);
    before = chain;
    return { ...call, chain, outcome_hash: call.finished_at === null ? null : outcome };
  });
}

/** Which digits of an identifier tell copies apart. */
const numbered = (id, n) => id.slice(0, -6) + String(n).padStart(6, "0");

class Backup {
  constructor(text) {
    this.tables = [];
    for (const line of text.trim().split("\n")) {
      const read = JSON.parse(line);
      if (read.table) this.tables.push({ ...read.table, rows: [] });
      else if (read.row) this.tables.at(-1).rows.push(read.row);
      else if (!read.end) this.header = line;
    }
  }

  /** The rows of a table for which `is` holds, as objects. */
  rows(name, is = () => true) {
    const { columns, rows } = this.tables.find((each) => each.name === name);
    return rows.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i]]))).filter(is);
  }

  add(name, row) {
    const { columns, rows } = this.tables.find((each) => each.name === name);
    rows.push(columns.map((column) => row[column] ?? null));
  }

  /** Puts a row in the place of the one with its identifier. */
  replace(name, row) {
    const table = this.tables.find((each) => each.name === name);
    const at = table.columns.indexOf("id");
    table.rows = table.rows.filter((each) => each[at] !== row.id);
    this.add(name, row);
  }

  text() {
    const lines = [this.header];
    for (const { name, columns, rows } of this.tables) {
      lines.push(JSON.stringify({ table: { name, columns } }));
      for (const row of rows) lines.push(JSON.stringify({ row }));
    }
    const body = `${lines.join("\n")}\n`;
    const end = { lines: lines.length, sha256: createHash("sha256").update(body).digest("hex") };
    return `${body}${JSON.stringify({ end })}\n`;
  }
}

/**
 * A directory with so many ended tasks, called `Number x…x` from the newest to the oldest, one ended
 * task with so many calls, called `Many calls`, and so many tasks that wait for an answer. The server
 * that is given is asked for what they are made of; it goes on as it is.
 */
export async function seeded(server, { tasks = 0, calls = 0, waiting = 0 }) {
  await server.settled((await server.submit(ENDED)).id);
  await server.submit(WAITING);
  await server.pending();
  const answer = await fetch(`${server.address}/api/v1/backup`);
  const backup = new Backup(await answer.text());
  const [ended] = backup.rows("tasks", (each) => each.code === ENDED);
  const [asked] = backup.rows("tasks", (each) => each.code === WAITING);
  const callsOf = (task) => backup.rows("calls", (each) => each.task_id === task.id);

  /** A task that nobody runs, so many milliseconds older. */
  const aged = (task, n, ms) => ({
    ...task,
    id: numbered(task.id, n),
    created_at: task.created_at - ms,
    started_at: task.started_at - ms,
    finished_at: task.finished_at && task.finished_at - ms,
  });
  for (let n = 0; n < tasks; n++) {
    const copy = aged(ended, n, 60_000 + n * 1_000);
    backup.add("tasks", { ...copy, code: `// Number x${n}x\nreturn ${n};`, result: String(n) });
  }
  if (calls > 0) {
    const many = { ...aged(ended, 999_999, 30_000), code: "// Many calls\nfor (;;) await tools.shop.items.listItems();" };
    many.finished_at = many.started_at + calls * 5 + 5;
    backup.add("tasks", many);
    const [first] = callsOf(ended);
    const rows = Array.from({ length: calls }, (_, i) => {
      const at = many.started_at + (i + 1) * 5;
      const delivery = first.delivery_order === null ? {} : { delivery_order: i + 1 };
      return { ...first, task_id: many.id, id: numbered(first.id, i + 1), sequence: i + 1, started_at: at, sent_at: at + 1, finished_at: at + 4, line: 2, ...delivery };
    });
    for (const row of chained(many, rows)) backup.add("calls", row);
  }
  // As it rests while it waits: no server runs it.
  const resting = { ...asked, state: "suspended", owner: null, lease_until: null };
  backup.replace("tasks", resting);
  const [approval] = backup.rows("approvals", (each) => each.task_id === asked.id);
  for (let n = 0; n < waiting; n++) {
    const copy = aged(resting, n, 0);
    backup.add("tasks", copy);
    const rows = callsOf(asked).map((call) => ({ ...call, task_id: copy.id, id: numbered(call.id, n * 10 + call.sequence) }));
    for (const row of chained(copy, rows)) backup.add("calls", row);
    backup.add("approvals", {
      ...approval,
      id: numbered(approval.id, n),
      task_id: copy.id,
      call_id: numbered(approval.call_id, n * 10 + approval.sequence),
      created_at: approval.created_at + n,
      expires_at: approval.expires_at + n * 100,
    });
  }

  const home = mkdtempSync(join(tmpdir(), "executor-web-"));
  const file = join(home, "much.backup");
  writeFileSync(file, backup.text());
  copyFileSync(join(server.home, "master.key"), join(home, "master.key"));
  await promisify(execFile)(BINARY, ["restore", file, "--data-dir", home]);
  rmSync(file);
  return home;
}
