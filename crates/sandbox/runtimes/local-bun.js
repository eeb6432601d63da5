// The process around one program on the runtime `local-bun`.
//
// Speaks length-prefixed JSON with Executor (src/remote/bun.rs) over stdin and
// stdout: commands in, events out. The program lives in a realm of its own,
// into which nothing of Bun's passes but two functions that only `world.js`
// holds. This keeps programs honest, not attackers out: Bun is no sandbox.

const { readSync, writeSync } = require("node:fs");
const vm = require("node:vm");

function readExactly(length) {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length;) {
    const read = readSync(0, bytes, at, length - at);
    // Executor is gone, or wants no more.
    if (read === 0) process.exit(0);
    at += read;
  }
  return bytes;
}

function nextCommand() {
  return readExactly(readExactly(4).readUInt32LE(0)).toString("utf8");
}

function tell(text) {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(4 + length);
  frame.writeUInt32LE(length, 0);
  frame.write(text, 4);
  for (let at = 0; at < frame.length;) at += writeSync(1, frame, at);
}

// A rejection that nobody handles is the program's own affair.
process.on("unhandledRejection", () => {});

const context = vm.createContext(Object.create(null));
const refuseImport = vm.runInContext(
  '(function () { "use strict"; throw new TypeError("import is not available in a program: every tool is already a function under tools"); })',
  context,
);
const inside = (code, filename) => vm.runInContext(code, context, { filename, importModuleDynamically: () => refuseImport() });

const hop = (callback) => { setImmediate(callback); };
const turn = inside(nextCommand(), "executor")(Object.assign(Object.create(null), {
  hop,
  post(text, last) {
    tell(text);
    if (last) setImmediate(read);
  },
  // A program that passed its limit of log output ends here, whatever it would do next.
  abandon(say) {
    say();
    process.exit(0);
  },
}));
const load = (code) => inside(code, "task.ts");

function read() {
  turn(nextCommand(), load);
}
tell('{"t":"ready"}');
read();
