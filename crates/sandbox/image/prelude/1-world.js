// The program's world: tools, ToolError, timers, randomness, time.
//
// The files of this folder are joined in order inside one function of `native`
// (see c/natives.c); nothing but what is put on globalThis here is reachable.
// What programs may tamper with is captured first: a program that replaces
// JSON or Promise may only confuse itself.

const { stringify } = JSON;
const { isArray } = Array;
const { apply, ownKeys } = Reflect;
const { defineProperty, getPrototypeOf, getOwnPropertyDescriptor } = Object;
const text = String;

function expose(name, value) {
  defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

// ---- errors of tools ----

let seal; // marks a ToolError as coming from a call, so that only those count as one when uncaught
let wireOf;

class ToolError extends Error {
  #wire;

  constructor(fields) {
    const { code = "internal", message = "", tool, status, details, retryable = false } = Object(fields);
    super(message);
    this.code = code;
    this.tool = tool;
    if (status !== undefined && status !== null) this.status = status;
    if (details !== undefined && details !== null) this.details = details;
    this.retryable = retryable;
  }

  static {
    seal = (error, wire) => { error.#wire = wire; };
    wireOf = (error) => (#wire in error ? error.#wire : undefined);
  }
}
defineProperty(ToolError.prototype, "name", { value: "ToolError", writable: true, configurable: true });
expose("ToolError", ToolError);

function toolError(fields, line, column) {
  const error = new ToolError(fields);
  seal(error, stringify(fields));
  // Made while no program code runs, so it has no frames: the call is its place.
  const stack = line ? `    at tools.${fields.tool} (task.ts:${line}:${column})\n` : "";
  defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
  return error;
}

// ---- tools ----

// Calls that read as plain words: a bare string stands for their main argument.
const bareString = { __proto__: null, discover: "query", describe: "path" };

// Look-ups that reach nothing outside: not counted as calls.
const lookups = {
  __proto__: null,
  discover: true, describe: true, "catalog.namespaces": true, "catalog.tools": true, "results.read": true,
};

function invoke(path, given, options) {
  let args = given ?? {};
  if (typeof args === "string" && bareString[path]) args = { [bareString[path]]: args };
  if (typeof args !== "object" || isArray(args)) {
    const kind = isArray(args) ? "an array" : `a ${typeof args}`;
    return native.reject(path, `tools.${path} takes one plain object of arguments, but was given ${kind}`);
  }
  return native.call(path, args, options ?? undefined, lookups[path] === true);
}

// Looked at by await, string conversion and JSON.stringify without a call being meant.
const reserved = {
  __proto__: null,
  then: () => undefined,
  toJSON: () => undefined,
  toString: (path) => () => `[tools${path && "." + path}]`,
  valueOf: (path, node) => () => node,
};

function refuse(target, key) {
  throw new TypeError(`tools cannot be changed (${text(key)})`);
}

// One function stands behind every node: a proxy must be callable, and nothing else is asked of it.
const callable = () => {};
delete callable.name;
delete callable.length;

// The traps of every node; what tells nodes apart stands in their handlers, which only traps see.
const traps = {
  __proto__: null,
  get(_, key) {
    if (typeof key === "symbol") return undefined;
    const known = this.below[key];
    if (known) return known;
    const { path } = this;
    if (reserved[key]) return reserved[key](path, this.node);
    return (this.below[key] = toolNode(path ? path + "." + key : key));
  },
  apply(_, self, args) {
    if (!this.path) throw new TypeError("tools is not a function: call a tool, as in tools.github.issues.list({ … })");
    return invoke(this.path, args[0], args[1]);
  },
  has: (_, key) => typeof key === "string" && !reserved[key],
  getPrototypeOf: () => null,
  ownKeys: () => [],
  getOwnPropertyDescriptor: () => undefined,
  set: refuse,
  defineProperty: refuse,
  deleteProperty: refuse,
  setPrototypeOf: refuse,
  preventExtensions: refuse,
};

function toolNode(path) {
  const handler = { __proto__: traps, path, below: { __proto__: null }, node: undefined };
  return (handler.node = new Proxy(callable, handler));
}
expose("tools", toolNode(""));

// ---- timers ----

function timerFunction(name, repeat) {
  const set = (callback, delay, ...args) => {
    if (typeof callback !== "function") {
      throw new TypeError(`${name} takes a function; code as text is not run`);
    }
    return native.timer(() => { apply(callback, undefined, args); }, +delay || 0, repeat);
  };
  defineProperty(set, "name", { value: name });
  expose(name, set);
}
timerFunction("setTimeout", false);
timerFunction("setInterval", true);

const clear = (id) => { if (id !== undefined && id !== null) native.clear(+id || 0); };
expose("clearTimeout", clear);
expose("clearInterval", clear);

// ---- time and randomness ----

expose("performance", {
  now: () => native.elapsed(),
  get timeOrigin() { return native.now() - native.elapsed(); },
  toJSON() { return { timeOrigin: this.timeOrigin }; },
});
defineProperty(Math, "random", { value: { random() { return native.random(); } }.random, writable: true, configurable: true });

const Bytes = Uint8Array;
const integerArrays = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array];
const typedArrayTag = getOwnPropertyDescriptor(getPrototypeOf(Bytes.prototype), Symbol.toStringTag).get;
const byteLengthOf = getOwnPropertyDescriptor(getPrototypeOf(Bytes.prototype), "byteLength").get;
const integerArrayNames = { __proto__: null };
for (const kind of integerArrays) integerArrayNames[kind.name] = true;

expose("crypto", {
  getRandomValues(array) {
    if (!integerArrayNames[apply(typedArrayTag, array, [])]) {
      throw new TypeError("crypto.getRandomValues takes a typed array of integers");
    }
    if (apply(byteLengthOf, array, []) > 65536) {
      throw new DOMException("crypto.getRandomValues fills at most 65536 bytes at a time", "QuotaExceededError");
    }
    return native.fill(array);
  },
  randomUUID() {
    const bytes = native.fill(new Bytes(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let out = "";
    for (let i = 0; i < 16; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) out += "-";
      out += hexDigits[bytes[i] >> 4] + hexDigits[bytes[i] & 15];
    }
    return out;
  },
});
const hexDigits = "0123456789abcdef";

// ---- what would tell two runs apart, or show the engine's inside ----

for (const name of ["SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry"]) delete globalThis[name];
delete Error.prepareStackTrace;
delete Error.stackTraceLimit;
