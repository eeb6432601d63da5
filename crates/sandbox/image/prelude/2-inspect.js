// console, and how a value is written for a person: logs and uncaught errors.
//
// Everything here runs inside the sandbox: getters and proxies of a hostile
// value may run, but only its text leaves.

const DEPTH_MAX = 4;
const ITEMS_MAX = 100;
const LINE_WIDTH = 76;
const FAILURE_TEXT_MAX = 16384;

function quoted(string) {
  return stringify(string);
}

function isPlainKey(key) {
  return /^[A-Za-z_$][\w$]*$/.test(key);
}

function inspectEntries(value, depth, seen) {
  const entries = [];
  const keys = ownKeys(value);
  for (const key of keys) {
    const property = getOwnPropertyDescriptor(value, key);
    if (!property || !property.enumerable) continue;
    if (entries.length === ITEMS_MAX) {
      entries.push("…");
      break;
    }
    const name = typeof key === "symbol" ? `[${text(key)}]` : isPlainKey(key) ? key : quoted(key);
    entries.push(`${name}: ${"value" in property ? inspect(property.value, depth + 1, seen) : "[getter]"}`);
  }
  return entries;
}

function inspectItems(items, depth, seen, write = inspect) {
  const out = [];
  let left = ITEMS_MAX;
  for (const item of items) {
    if (left-- === 0) {
      out.push("…");
      break;
    }
    out.push(write(item, depth + 1, seen));
  }
  return out;
}

function layout(prefix, open, entries, close, depth) {
  if (entries.length === 0) return `${prefix}${open}${close}`;
  const inner = entries.join(", ");
  const pad = open === "[" ? "" : " ";
  if (inner.length + prefix.length < LINE_WIDTH && !inner.includes("\n")) return `${prefix}${open}${pad}${inner}${pad}${close}`;
  const indent = "  ".repeat(depth + 1);
  return `${prefix}${open}\n${indent}${entries.join(`,\n${indent}`)}\n${"  ".repeat(depth)}${close}`;
}

function className(value) {
  const proto = getPrototypeOf(value);
  if (proto === null) return "[null prototype]";
  const constructor = getOwnPropertyDescriptor(proto, "constructor")?.value;
  const name = typeof constructor === "function" ? getOwnPropertyDescriptor(constructor, "name")?.value : "";
  return typeof name === "string" ? name : "";
}

function inspectError(error) {
  const stack = typeof error.stack === "string" ? programFrames(error.stack) : "";
  const own = error instanceof ToolError ? ` [${error.code}]` : "";
  const cause = error.cause === undefined ? "" : `\n  [cause]: ${inspect(error.cause, 1, [error])}`;
  return `${text(error.name)}${own}: ${text(error.message)}${stack && "\n" + stack}${cause}`;
}

function programFrames(stack) {
  return stack.split("\n").filter((line) => line.includes("(task.ts:")).join("\n");
}

function inspectObject(value, depth, seen) {
  if (seen.includes(value)) return "[circular]";
  if (value instanceof Error) return inspectError(value);
  if (value instanceof Date) return isNaN(value) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return text(value);
  const name = className(value);
  if (value instanceof Promise) return "Promise {}";
  if (value instanceof URL) return `URL ${quoted(value.href)}`;
  if (depth > DEPTH_MAX) return isArray(value) ? "[…]" : `${name && name !== "Object" ? name + " " : ""}{…}`;
  const inside = [...seen, value];
  if (isArray(value)) return layout("", "[", inspectItems(value, depth, inside), "]", depth);
  if (value instanceof Map) {
    const pair = ([k, v], d, s) => `${inspect(k, d, s)} => ${inspect(v, d, s)}`;
    return layout(`Map(${value.size}) `, "{", inspectItems(value, depth, inside, pair), "}", depth);
  }
  if (value instanceof Set) return layout(`Set(${value.size}) `, "{", inspectItems(value, depth, inside), "}", depth);
  if (ArrayBuffer.isView(value) && "length" in value) return layout(`${name}(${value.length}) `, "[", inspectItems(value, depth, inside), "]", depth);
  if (value instanceof ArrayBuffer) return `ArrayBuffer { byteLength: ${value.byteLength} }`;
  return layout(name && name !== "Object" ? `${name} ` : "", "{", inspectEntries(value, depth, inside), "}", depth);
}

function inspect(value, depth, seen) {
  switch (typeof value) {
    case "string": return quoted(value);
    case "bigint": return `${value}n`;
    case "number": return Object.is(value, -0) ? "-0" : text(value);
    case "function": {
      const name = getOwnPropertyDescriptor(value, "name")?.value;
      return getPrototypeOf(value) === null ? text(value) : name ? `[function ${text(name)}]` : "[function]";
    }
    case "object": return value === null ? "null" : inspectObject(value, depth, seen);
    default: return text(value);
  }
}

function readable(value) {
  if (typeof value === "string") return value;
  try {
    return inspect(value, 0, []);
  } catch {
    return "[a value that throws when read]";
  }
}

function format(args) {
  let from = 0;
  let out = "";
  if (typeof args[0] === "string" && args.length > 1 && args[0].includes("%")) {
    from = 1;
    out = args[0].replace(/%[sdifjoOc%]/g, (mark) => {
      if (mark === "%%") return "%";
      if (from >= args.length) return mark;
      const arg = args[from++];
      switch (mark) {
        case "%d": return typeof arg === "bigint" ? `${arg}n` : text(typeof arg === "object" ? NaN : Number(arg));
        case "%i": return text(typeof arg === "object" ? NaN : parseInt(arg));
        case "%f": return text(typeof arg === "symbol" ? NaN : parseFloat(arg));
        case "%j": return stringify(arg);
        case "%c": return "";
        default: return readable(arg);
      }
    });
  }
  for (let i = from; i < args.length; i++) out += (i === 0 ? "" : " ") + readable(args[i]);
  return out;
}

// Levels as in the wire: 0 debug, 1 log, 2 info, 3 warn, 4 error.
let indent = "";
function logger(level) {
  return (...args) => {
    let line;
    try {
      line = format(args);
    } catch {
      line = "[a value that throws when read]";
    }
    native.log(level, indent ? indent + line.replaceAll("\n", `\n${indent}`) : line);
  };
}
const log = logger(1);
const error = logger(4);
expose("console", {
  debug: logger(0),
  log,
  info: logger(2),
  warn: logger(3),
  error,
  trace: logger(0),
  dir: (value) => log(value),
  table: (value) => log(value),
  assert: (held, ...args) => { if (!held) error("Assertion failed", ...args); },
  group: (...args) => { if (args.length) log(...args); indent += "  "; },
  groupEnd: () => { indent = indent.slice(2); },
});

function attempt(read, otherwise) {
  try {
    const value = read();
    return typeof value === "string" ? value.slice(0, FAILURE_TEXT_MAX) : otherwise;
  } catch {
    return otherwise;
  }
}

// What the host is told of an uncaught error: JSON text of strings only.
function describe(reason) {
  if (!(typeof reason === "object" && reason !== null && reason instanceof Error)) {
    return stringify({ name: "", message: attempt(() => readable(reason), ""), stack: "" });
  }
  return stringify({
    name: attempt(() => reason.name, "Error"),
    message: attempt(() => reason.message, "") || attempt(() => (reason.cause === undefined ? "" : readable(reason.cause)), ""),
    stack: attempt(() => reason.stack, ""),
    toolError: wireOf(reason),
  });
}
