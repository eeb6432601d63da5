// TextEncoder, TextDecoder and structuredClone.

// ---- text ----

function asBytes(input) {
  if (input instanceof ArrayBuffer) return new Bytes(input);
  if (ArrayBuffer.isView(input)) return new Bytes(input.buffer, input.byteOffset, input.byteLength);
  throw new TypeError("TextDecoder.decode takes an ArrayBuffer or a view of one");
}

expose("TextEncoder", class TextEncoder {
  get encoding() { return "utf-8"; }
  encode(input = "") { return native.encode(text(input)); }
  encodeInto(source, target) {
    let read = 0;
    let written = 0;
    for (const point of text(source)) {
      const bytes = native.encode(point);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += point.length;
    }
    return { read, written };
  }
});

// How many bytes at the end begin a sequence that may still be completed.
function unfinished(bytes) {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back];
    if ((byte & 0xc0) === 0x80) continue;
    const need = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return need > back ? back : 0;
  }
  return 0;
}

expose("TextDecoder", class TextDecoder {
  #fatal;
  #ignoreBOM;
  #held = new Bytes(0);
  #started = false;

  constructor(label = "utf-8", options = {}) {
    if (!["utf-8", "utf8", "unicode-1-1-utf-8"].includes(text(label).trim().toLowerCase())) {
      throw new RangeError(`TextDecoder reads utf-8 only, not ${text(label)}`);
    }
    this.#fatal = !!options.fatal;
    this.#ignoreBOM = !!options.ignoreBOM;
  }
  get encoding() { return "utf-8"; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#ignoreBOM; }

  decode(input = new Bytes(0), options = {}) {
    let bytes = asBytes(input);
    if (this.#held.length) {
      const joined = new Bytes(this.#held.length + bytes.length);
      joined.set(this.#held);
      joined.set(bytes, this.#held.length);
      bytes = joined;
    }
    const keep = options.stream ? unfinished(bytes) : 0;
    this.#held = bytes.slice(bytes.length - keep);
    let out = native.decode(bytes.subarray(0, bytes.length - keep), this.#fatal);
    if (out === undefined) {
      this.#held = new Bytes(0);
      throw new TypeError("the bytes are not valid utf-8");
    }
    if (!this.#started && !this.#ignoreBOM && out.startsWith("\uFEFF")) out = out.slice(1);
    this.#started = options.stream ? this.#started || out.length > 0 : false;
    return out;
  }
});

// ---- structuredClone ----

function uncloneable(what) {
  return new DOMException(`${what} cannot be cloned`, "DataCloneError");
}

const cloneableErrors = { __proto__: null, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

function cloneError(value, memory) {
  const kind = cloneableErrors[value.name] ?? Error;
  const copy = new kind(text(value.message));
  memory.set(value, copy);
  defineProperty(copy, "stack", { value: value.stack, writable: true, configurable: true });
  if ("cause" in value) defineProperty(copy, "cause", { value: clone(value.cause, memory), writable: true, configurable: true });
  return copy;
}

function cloneView(value, memory) {
  const buffer = clone(value.buffer, memory);
  return value instanceof DataView
    ? new DataView(buffer, value.byteOffset, value.byteLength)
    : new globalThis[apply(typedArrayTag, value, [])](buffer, value.byteOffset, value.length);
}

function cloneObject(value, memory) {
  if (value instanceof Date) return new Date(value.getTime());
  if (value instanceof RegExp) return new RegExp(value.source, value.flags);
  if (value instanceof Boolean || value instanceof Number || value instanceof String || value instanceof BigInt) return Object(value.valueOf());
  if (value instanceof ArrayBuffer) return value.slice(0);
  if (ArrayBuffer.isView(value)) return cloneView(value, memory);
  if (value instanceof Error) return cloneError(value, memory);
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) throw uncloneable(className(value));
  if (value instanceof Map) {
    const copy = new Map();
    memory.set(value, copy);
    for (const [k, v] of [...value]) copy.set(clone(k, memory), clone(v, memory));
    return copy;
  }
  if (value instanceof Set) {
    const copy = new Set();
    memory.set(value, copy);
    for (const item of [...value]) copy.add(clone(item, memory));
    return copy;
  }
  const copy = isArray(value) ? new Array(value.length) : {};
  memory.set(value, copy);
  for (const key of Object.keys(value)) {
    defineProperty(copy, key, { value: clone(value[key], memory), writable: true, enumerable: true, configurable: true });
  }
  return copy;
}

function clone(value, memory) {
  if (typeof value === "function" || typeof value === "symbol") throw uncloneable(`a ${typeof value}`);
  if (typeof value !== "object" || value === null) return value;
  const known = memory.get(value);
  if (known !== undefined) return known;
  const copy = cloneObject(value, memory);
  memory.set(value, copy);
  return copy;
}

expose("structuredClone", (value) => clone(value, new Map()));
