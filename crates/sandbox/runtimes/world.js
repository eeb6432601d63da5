// The program's world on engines other than our own: what `image/c/engine.c`
// and `natives.c` do in C, in JavaScript, to the same observable effect.
//
// Joined by `src/remote/world.rs` inside one function of `host`, with the
// image's prelude as `prelude`. The program shares this realm and may tamper
// with every built-in, so nothing of ours passes through one that it can
// replace: what is needed is captured here first, records have no prototype,
// and no array of ours is ever written by index.
// `host.post(text, last)` tells an event; `last` ends the turn.
// `host.hop(callback)` calls back once every job is done.

const { apply, construct, deleteProperty, ownKeys, set } = Reflect;
const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, setPrototypeOf } = Object;
const { parse, stringify } = JSON;
const { trunc } = Math;
const uncurried = (method) => (self, ...rest) => apply(method, self, rest);
const getterOf = (proto, name) => uncurried(getOwnPropertyDescriptor(proto, name).get);
const [RealPromise, RealError, RealTypeError, RealRangeError, RealDate, RealMap, Bytes, Words] =
  [Promise, Error, TypeError, RangeError, Date, Map, Uint8Array, Uint32Array];
const then = uncurried(RealPromise.prototype.then);
const [mapGet, mapSet, mapDelete, mapForEach] = ["get", "set", "delete", "forEach"].map((name) => uncurried(RealMap.prototype[name]));
const mapSize = getterOf(RealMap.prototype, "size");
const [codeAt, wellFormed, sliced, normalized, indexOf] = ["charCodeAt", "toWellFormed", "slice", "normalize", "indexOf"].map((name) => uncurried(String.prototype[name]));
const fromCodePoint = String.fromCodePoint;
const text = String;
const match = uncurried(RegExp.prototype.exec);
const viewProto = getPrototypeOf(Bytes.prototype);
const [bufferOf, byteOffsetOf, byteLengthOf] = ["buffer", "byteOffset", "byteLength"].map((name) => getterOf(viewProto, name));

const JSON_DEPTH_MAX = 100;
const TIMERS_MAX = 10000;
const LOOKUPS_MAX = 10000;
const PATH_BYTES_MAX = 512;
const STACK_FRAMES = 10; // as the isolate's engine keeps

// ---- state ----

let limits; // {callsMax, callsInFlightMax, logBytesMax, resultBytesMax, messageBytesMax}
let lines = []; // of the emitted code
let nowMs = 0;
let elapsedMs = 0;
let lastSeq = 0;
let lookups = 0; // so many of them reach nothing outside
let bytesInFlight = 0;
let logBytes = 0;
let lastTimer = 0;
let finished = false;
let passed; // a limit that the program was told of by an error it may have caught
const calls = new RealMap(); // seq -> {resolve, reject, line, column, bytes}
const timers = new RealMap(); // id -> {id, due, interval, callback}

function post(event, last) {
  host.post(stringify(event), last);
}

// ---- text ----

function utf8Length(string) {
  let bytes = 0;
  for (let i = 0; i < string.length; i++) {
    const unit = string[i];
    if (unit < "\x80") bytes += 1;
    else if (unit < "\u0800") bytes += 2;
    else if (unit >= "\ud800" && unit <= "\udbff" && string[i + 1] >= "\udc00" && string[i + 1] <= "\udfff") {
      bytes += 4;
      i++;
    } else bytes += 3;
  }
  return bytes;
}

function encode(string) {
  const mended = wellFormed(string);
  const bytes = new Bytes(utf8Length(mended));
  let at = 0;
  for (let i = 0; i < mended.length; i++) {
    let point = codeAt(mended, i);
    if (point < 0x80) {
      bytes[at++] = point;
      continue;
    }
    if (point < 0x800) {
      bytes[at++] = 0xc0 | (point >> 6);
    } else {
      if (point >= 0xd800 && point < 0xdc00) {
        point = 0x10000 + ((point - 0xd800) << 10) + (codeAt(mended, ++i) - 0xdc00);
        bytes[at++] = 0xf0 | (point >> 18);
        bytes[at++] = 0x80 | ((point >> 12) & 0x3f);
      } else {
        bytes[at++] = 0xe0 | (point >> 12);
      }
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
    }
    bytes[at++] = 0x80 | (point & 0x3f);
  }
  return bytes;
}

// Length of the valid sequence at `at`, or minus the length of the maximal invalid part (Encoding Standard).
function utf8Step(bytes, at, length) {
  const first = bytes[at];
  if (first < 0x80) return 1;
  const need = first >= 0xc2 && first <= 0xdf ? 1 : (first & 0xf0) === 0xe0 ? 2 : first >= 0xf0 && first <= 0xf4 ? 3 : 0;
  if (!need) return -1;
  let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  for (let i = 1; i <= need; i++) {
    if (at + i >= length || bytes[at + i] < low || bytes[at + i] > high) return -i;
    low = 0x80;
    high = 0xbf;
  }
  return need + 1;
}

function decode(bytes, fatal) {
  const length = byteLengthOf(bytes);
  let out = "";
  for (let at = 0; at < length;) {
    const step = utf8Step(bytes, at, length);
    if (step < 0) {
      if (fatal) return undefined;
      out += "\ufffd";
      at -= step;
      continue;
    }
    let point = step === 1 ? bytes[at] : bytes[at] & (0xff >> (step + 1));
    for (let i = 1; i < step; i++) point = (point << 6) | (bytes[at + i] & 0x3f);
    out += fromCodePoint(point);
    at += step;
  }
  return out;
}

// Lone surrogates are not UTF-8: stringify has escaped them, and \ufffd takes their place. Also measures nesting.
function mendJson(json) {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  let out = "";
  let kept = 0;
  for (let i = 0; i < json.length; i++) {
    const c = json[i];
    if (inString) {
      if (c === '"') {
        inString = false;
      } else if (c === "\\") {
        i++;
        if (json[i] === "u" && json[i + 1] === "d" && json[i + 2] >= "8") {
          out += sliced(json, kept, i + 1) + "fffd";
          kept = i + 5;
        }
      }
    } else if (c === '"') {
      inString = true;
    } else if (c === "{" || c === "[") {
      if (++depth > deepest) deepest = depth;
    } else if (c === "}" || c === "]") {
      depth--;
    }
  }
  return { __proto__: null, json: out + sliced(json, kept), deepest };
}

// ---- errors ----

// What our engine says where others have words of their own.
function jsonProblem(error) {
  let message;
  try {
    message = text(error.message);
  } catch {
    return "it threw while being read";
  }
  if (!(error instanceof RealTypeError)) return message;
  if (match(/circular|cyclic/i, message)) return "circular reference";
  if (match(/BigInt/, message)) return "a BigInt has no JSON form; convert it with String() or Number()";
  return message;
}

// Where in the program the innermost running line of it stands.
function position() {
  // A program may have made it what it likes; then the place is lost, and nothing else.
  set(RealError, "stackTraceLimit", 100);
  const found = match(/\(task\.ts:(\d+):(\d+)\)/, text(new RealError().stack));
  set(RealError, "stackTraceLimit", STACK_FRAMES);
  return found ? { __proto__: null, line: +found[1], column: +found[2] } : { __proto__: null, line: 0, column: 0 };
}

function rejected(reason) {
  return new RealPromise((_, reject) => reject(reason));
}

// A promise rejected with a ToolError made here; the host never hears of the call.
function rejectedToolError(code, tool, message) {
  const { line, column } = position();
  return rejected(hooks.toolError({ code, message, tool, retryable: false }, line, column));
}

const hints = {
  __proto__: null,
  fetch: ': programs have no network; call a tool instead (await tools.discover({ query: "…" }) finds one)',
  XMLHttpRequest: ": programs have no network; call a tool instead",
  WebSocket: ": programs have no network; call a tool instead",
  EventSource: ": programs have no network; call a tool instead",
  require: ": programs load no modules; every tool is already a function under tools",
  module: ": programs are no modules; return the result",
  exports: ": programs are no modules; return the result",
  importScripts: ": programs load no modules; every tool is already a function under tools",
  process: ": programs have no process and no environment; credentials are attached outside, when a tool is called",
  Deno: ": programs run in Executor's own sandbox; use tools",
  Bun: ": programs run in Executor's own sandbox; use tools",
  Buffer: ": use Uint8Array with TextEncoder and TextDecoder, or atob and btoa",
  __dirname: ": programs have no files; use tools",
  __filename: ": programs have no files; use tools",
  setImmediate: ": use setTimeout or queueMicrotask",
  Intl: ": format by hand, or with toFixed and toISOString",
  WebAssembly: ": programs run JavaScript only",
  SharedArrayBuffer: ": programs have one thread; use ArrayBuffer",
  Atomics: ": programs have one thread",
  Worker: ": programs have one thread; use Promise.all for several calls at once",
  WeakRef: ": when garbage is collected is not observable here",
  FinalizationRegistry: ": when garbage is collected is not observable here",
  window: ": there is no page; use globalThis",
  document: ": there is no page",
  global: ": use globalThis",
  self: ": use globalThis",
  localStorage: ": programs keep nothing between runs; return it or call a tool",
};

function describe(reason) {
  let described;
  try {
    described = mendJson(hooks.describe(reason)).json;
  } catch {
    return { __proto__: null, name: "Error", message: "the program threw something that cannot be described", stack: "" };
  }
  const found = parse(described);
  const error = { __proto__: null, name: found.name, message: found.message, stack: found.stack };
  if (getOwnPropertyDescriptor(found, "toolError")) error.toolError = found.toolError;
  const missing = error.name === "ReferenceError" && match(/^([\w$]+) is not defined$/, error.message);
  if (missing && hints[missing[1]]) error.message += hints[missing[1]];
  return error;
}

function end(kind, error) {
  if (finished) return;
  finished = true;
  post({ __proto__: null, t: "failed", kind, error: error ?? { __proto__: null } }, true);
}

function failWith(reason) {
  if (passed) end(passed);
  else end("thrown", describe(reason));
}

// ---- calls ----

// A value as JSON text of an object, mended and measured; `problem` is the error instead.
function objectText(value, what) {
  let json;
  try {
    json = stringify(value);
  } catch (error) {
    return { __proto__: null, problem: new RealTypeError(`the ${what} cannot be written as JSON: ${jsonProblem(error)}`) };
  }
  if (typeof json !== "string" || json[0] !== "{") {
    return { __proto__: null, problem: new RealTypeError(`the ${what} must be one plain object`) };
  }
  const mended = mendJson(json);
  if (mended.deepest > JSON_DEPTH_MAX) {
    return { __proto__: null, problem: new RealTypeError(`the ${what} are nested more than ${JSON_DEPTH_MAX} levels deep`) };
  }
  return { __proto__: null, json: mended.json };
}

function call(path, given, options, lookup) {
  const args = objectText(given, "arguments");
  if (args.problem) return rejected(args.problem);
  const opts = options === undefined ? { __proto__: null, json: "{}" } : objectText(options, "options");
  if (opts.problem) return rejected(opts.problem);
  if (lookup && lookups >= LOOKUPS_MAX) {
    return rejectedToolError("call_limit_exceeded", path, `this program has looked into the catalog and its handles ${LOOKUPS_MAX} times, a fixed limit per task`);
  }
  if (!lookup && lastSeq - lookups >= limits.callsMax) {
    return rejectedToolError("call_limit_exceeded", path, `this program has made ${limits.callsMax} tool calls, the limit per task (calls); an administrator may raise it`);
  }
  if (mapSize(calls) >= limits.callsInFlightMax) {
    return rejectedToolError("call_limit_exceeded", path, `${limits.callsInFlightMax} tool calls are already in flight, the limit (callsInFlight); await some of them first, or have an administrator raise it`);
  }
  const bytes = utf8Length(args.json) + utf8Length(opts.json);
  if (bytes > limits.messageBytesMax) {
    return rejectedToolError("invalid_arguments", path, `the arguments are ${bytes} bytes, over the limit of ${limits.messageBytesMax} bytes (toolResultBytes); pass less, or have an administrator raise it`);
  }
  if (bytesInFlight + bytes > limits.messageBytesMax) {
    return rejectedToolError("call_limit_exceeded", path, `the arguments of the calls in flight are over ${limits.messageBytesMax} bytes together, the limit (toolResultBytes); await some of the calls first, or have an administrator raise it`);
  }
  const mendedPath = wellFormed(path);
  const pathBytes = utf8Length(mendedPath);
  if (pathBytes > PATH_BYTES_MAX) return rejectedToolError("tool_not_found", undefined, `no tool has a path of ${pathBytes} bytes`);
  const { line, column } = position();
  const pending = { __proto__: null, line, column, bytes };
  const promise = new RealPromise((resolve, reject) => {
    pending.resolve = resolve;
    pending.reject = reject;
  });
  if (finished) return promise;
  const seq = ++lastSeq;
  if (lookup) lookups++;
  bytesInFlight += bytes;
  mapSet(calls, seq, pending);
  post({ __proto__: null, t: "call", seq, line, column, path: mendedPath, arguments: args.json, options: opts.json }, false);
  return promise;
}

function log(level, line) {
  if (finished) return;
  const mended = wellFormed(line);
  const bytes = utf8Length(mended);
  if (logBytes + bytes + 1 > limits.logBytesMax) {
    // Nothing here ends a program that is running; what it does with the error no longer matters.
    passed = "logLimit";
    host.abandon?.(() => end(passed));
    throw new RealRangeError("more log output than its limit");
  }
  logBytes += bytes + 1;
  post({ __proto__: null, t: "log", level, text: mended }, false);
}

// ---- time ----

function timer(callback, wanted, repeat) {
  if (mapSize(timers) >= TIMERS_MAX) throw new RealRangeError(`a program may have ${TIMERS_MAX} timers at once`);
  let delay = wanted >= 1 ? trunc(wanted) : 1;
  if (delay > 2147483647) delay = 1;
  const id = ++lastTimer;
  mapSet(timers, id, { __proto__: null, id, due: elapsedMs + delay, interval: repeat ? delay : 0, callback });
  return id;
}

function nextTimer() {
  let next = null;
  mapForEach(timers, (timer) => {
    if (!next || timer.due < next.due || (timer.due === next.due && timer.id < next.id)) next = timer;
  });
  return next;
}

// Fires what is due, in order, each at its own moment, and goes on with `after`.
function fireTimers(now, elapsed, after) {
  const nowBefore = nowMs;
  const elapsedBefore = elapsedMs;
  const step = () => {
    if (finished) return;
    const timer = nextTimer();
    if (!timer || timer.due > elapsed) {
      nowMs = now;
      elapsedMs = elapsed;
      after();
      return;
    }
    const shown = nowBefore + (timer.due - elapsedBefore);
    elapsedMs = timer.due;
    nowMs = shown < now ? shown : now;
    if (timer.interval > 0) timer.due += timer.interval;
    else mapDelete(timers, timer.id);
    try {
      apply(timer.callback, undefined, []);
    } catch (error) {
      failWith(error);
      return;
    }
    host.hop(step);
  };
  step();
}

// ---- randomness: ChaCha20 (RFC 8439) keyed by the task's seed ----

const state = new Words(16);
const mixed = new Words(16);
const block = new Bytes(64);
let used = 64;

function seedRandom(hex) {
  state[0] = 0x61707865;
  state[1] = 0x3320646e;
  state[2] = 0x79622d32;
  state[3] = 0x6b206574;
  for (let i = 0; i < 8; i++) {
    for (let byte = 3; byte >= 0; byte--) state[4 + i] = (state[4 + i] << 8) | +("0x" + hex[8 * i + 2 * byte] + hex[8 * i + 2 * byte + 1]);
  }
}

function mix(a, b, c, d) {
  const turn = (at, by, bits) => {
    const value = mixed[at] ^ mixed[by];
    mixed[at] = (value << bits) | (value >>> (32 - bits));
  };
  mixed[a] += mixed[b]; turn(d, a, 16);
  mixed[c] += mixed[d]; turn(b, c, 12);
  mixed[a] += mixed[b]; turn(d, a, 8);
  mixed[c] += mixed[d]; turn(b, c, 7);
}

function refill() {
  for (let i = 0; i < 16; i++) mixed[i] = state[i];
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) mix(i, 4 + i, 8 + i, 12 + i);
    for (let i = 0; i < 4; i++) mix(i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3));
  }
  for (let i = 0; i < 16; i++) {
    const word = (mixed[i] + state[i]) >>> 0;
    for (let byte = 0; byte < 4; byte++) block[4 * i + byte] = word >>> (8 * byte);
  }
  state[12]++;
  if (state[12] === 0) state[13]++;
  used = 0;
}

function randomByte() {
  if (used === 64) refill();
  return block[used++];
}

function random() {
  let low = 0;
  let high = 0;
  for (let i = 0; i < 4; i++) low += randomByte() * 2 ** (8 * i);
  for (let i = 0; i < 4; i++) high += randomByte() * 2 ** (8 * i);
  return (high * 2 ** 21 + trunc(low / 2 ** 11)) * 2 ** -53;
}

function fill(array) {
  const bytes = new Bytes(bufferOf(array), byteOffsetOf(array), byteLengthOf(array));
  const length = byteLengthOf(array);
  for (let i = 0; i < length; i++) bytes[i] = randomByte();
  return array;
}
