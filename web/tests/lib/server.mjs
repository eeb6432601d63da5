// The program itself, on a free port and a directory of its own, and its API as a script uses it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const BINARY = process.env.EXECUTOR_BIN ?? new URL("../../../target/debug/executor", import.meta.url).pathname;
/** For a busy machine. What is waited for comes sooner. */
export const PATIENCE_MS = 60_000;

export async function startServer({ args = [], port = 0, env = {}, home = mkdtempSync(join(tmpdir(), "executor-web-")) } = {}) {
  const child = spawn(BINARY, ["serve", "--port", String(port), "--data-dir", home, ...args], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  let said = "";
  const address = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the server does not start: ${said}`)), PATIENCE_MS);
    const look = (part) => {
      said += part;
      const found = /ready on (http:\/\/\S+)/.exec(said);
      if (found) {
        clearTimeout(timer);
        resolve(found[1]);
      }
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
  });
  const stop = async ({ keep = false } = {}) => {
    if (child.exitCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      // One that does not end is none of the next case's business.
      const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS / 2);
      await ended;
      clearTimeout(timer);
    }
    if (!keep) rmSync(home, { recursive: true, force: true });
  };
  return { address, home, child, stop, said: () => said, ...apiOf(address) };
}

/** The API for the owner of the machine, or for the holder of a key. */
export function apiOf(address, key) {
  const send = async (method, path, body) => {
    const response = await fetch(`${address}/api/v1${path}`, {
      method,
      headers: { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? null : JSON.parse(text) };
  };
  const must = async (method, path, body) => {
    const answer = await send(method, path, body);
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  return {
    send,
    get: (path) => must("GET", path),
    post: (path, body = {}) => must("POST", path, body),
    patch: (path, body) => must("PATCH", path, body),
    /** Submits a program. */
    submit: (code, more = {}) => must("POST", "/tasks", { code, ...more }),
    /** Waits until a task is in one of these states. */
    settled: (id, states = ["completed", "failed", "denied", "canceled", "timed_out"]) =>
      until(async () => {
        const task = await must("GET", `/tasks/${id}`);
        return states.includes(task.status) ? task : null;
      }, `task ${id} to be ${states.join(" or ")}`),
    /** Waits until so many approvals are pending. */
    pending: (count = 1) =>
      until(async () => {
        const { items } = await must("GET", "/approvals?status=pending&limit=200");
        return items.length >= count ? items : null;
      }, `${count} pending approvals`),
  };
}

/** Looks again and again until there is something, with patience for a busy machine. */
export async function until(look, what) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
