// The least of an agent runner for Node, Bun and Deno: programs arrive as lines on standard input,
// what they do leaves as lines on standard output. Called without an argument it runs them in its
// own global scope (one process is started for each); with `context`, each in a fresh vm context.

import { Buffer } from "node:buffer";
import process from "node:process";

const AsyncFunction = (async () => {}).constructor;
const vm = process.argv[2] === "context" ? await import("node:vm") : undefined;
const waiting = new Map();

function say(event) {
  process.stdout.write(JSON.stringify(event) + "\n");
}

function world(task) {
  let calls = 0;
  const node = (path) =>
    new Proxy(() => {}, {
      get: (_, key) => node(path ? `${path}.${key}` : key),
      apply: (_, self, [args]) =>
        new Promise((resolve) => {
          const call = ++calls;
          waiting.set(`${task} ${call}`, resolve);
          say({ task, call, path, args });
        }),
    });
  return { tools: node(""), console: { log: (...values) => say({ task, log: values.join(" ") }) } };
}

async function run(task, code) {
  try {
    const { tools, console } = world(task);
    const done = vm
      ? await vm.runInContext(`(async () => {\n${code}\n})()`, vm.createContext({ tools, console }))
      : await new AsyncFunction("tools", "console", code)(tools, console);
    say({ task, done });
  } catch (error) {
    say({ task, failed: String(error) });
  }
}

let rest = [];
process.stdin.on("data", (chunk) => {
  let from = 0;
  for (let at; (at = chunk.indexOf(10, from)) >= 0; from = at + 1) {
    const line = Buffer.concat([...rest, chunk.subarray(from, at)]).toString();
    rest = [];
    const { task, code, call, value } = JSON.parse(line);
    if (code !== undefined) {
      run(task, code);
    } else {
      const key = `${task} ${call}`;
      waiting.get(key)(value);
      waiting.delete(key);
    }
  }
  rest.push(chunk.subarray(from));
});
process.stdin.on("end", () => process.exit(0));
