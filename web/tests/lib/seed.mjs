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
    for (let n = 1; n <= calls; n++) {
      const at = many.started_at + n * 5;
      const row = { ...first, task_id: many.id, id: numbered(first.id, n), sequence: n, started_at: at, sent_at: at + 1, finished_at: at + 4, line: 2 };
      if (first.delivery_order !== null) row.delivery_order = first.delivery_order + n - 1;
      backup.add("calls", row);
    }
  }
  // As it rests while it waits: no server runs it.
  const resting = { ...asked, state: "suspended", owner: null, lease_until: null };
  backup.replace("tasks", resting);
  const [approval] = backup.rows("approvals", (each) => each.task_id === asked.id);
  for (let n = 0; n < waiting; n++) {
    const copy = aged(resting, n, 0);
    backup.add("tasks", copy);
    for (const call of callsOf(asked)) backup.add("calls", { ...call, task_id: copy.id, id: numbered(call.id, n * 10 + call.sequence) });
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
