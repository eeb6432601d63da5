// Makes an engine's realm the isolate's: the same globals, a clock that the
// host owns, no locale, no time zone, stacks that show the program alone.
//
// Continues `world.js`; runs once, before the program. What cannot be made
// equal is listed in `docs/runtimes.md`.

function expose(name, value) {
  defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

// ---- what some of these engines lack, or word differently ----

expose("DOMException", class DOMException extends RealError {
  #name;
  constructor(message = "", name = "Error") {
    super(text(message));
    this.#name = text(name);
  }
  get name() { return this.#name; }
  get code() { return { __proto__: null, InvalidCharacterError: 5, QuotaExceededError: 22, DataCloneError: 25 }[this.#name] ?? 0; }
});
const RealDOMException = globalThis.DOMException;

const base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const base64Value = { __proto__: null };
for (let i = 0; i < 64; i++) base64Value[base64[i]] = i;

function invalidCharacter(message) {
  return new RealDOMException(message, "InvalidCharacterError");
}

expose("btoa", function btoa(given) {
  const data = text(given);
  let out = "";
  for (let i = 0; i < data.length; i += 3) {
    let bits = 0;
    for (let j = 0; j < 3; j++) {
      const code = i + j < data.length ? codeAt(data, i + j) : 0;
      if (code > 255) throw invalidCharacter("String contains an invalid character");
      bits = (bits << 8) | code;
    }
    out += base64[bits >> 18] + base64[(bits >> 12) & 63] + (i + 1 < data.length ? base64[(bits >> 6) & 63] : "=") + (i + 2 < data.length ? base64[bits & 63] : "=");
  }
  return out;
});

expose("atob", function atob(given) {
  const raw = text(given);
  let data = "";
  for (let i = 0; i < raw.length; i++) if (!match(/[\t\n\f\r ]/, raw[i])) data += raw[i];
  if (data.length % 4 === 0 && data[data.length - 1] === "=") data = sliced(data, 0, data[data.length - 2] === "=" ? -2 : -1);
  if (data.length % 4 === 1) throw invalidCharacter("The string to be decoded is not correctly encoded");
  let out = "";
  let bits = 0;
  let held = 0;
  for (let i = 0; i < data.length; i++) {
    const value = base64Value[data[i]];
    if (value === undefined) throw invalidCharacter("The string to be decoded is not correctly encoded");
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += fromCodePoint((bits >> held) & 255);
    }
  }
  return out;
});

const settled = RealPromise.resolve();
expose("queueMicrotask", function queueMicrotask(callback) {
  if (typeof callback !== "function") throw new RealTypeError("not a function");
  // What it throws is nobody's to hear, as in the isolate.
  then(settled, () => { try { apply(callback, undefined, []); } catch { /* dropped */ } });
});

if (!globalThis.InternalError) expose("InternalError", class InternalError extends RealError {
  get name() { return "InternalError"; }
});

// ---- time ----

const dateMethods = RealDate.prototype;
const [dateText, timeText] = ["toString", "toTimeString"].map((name) => uncurried(dateMethods[name]));
const [getTime, getYear, getMonth, getDay, getHour, getMinute, getSecond] =
  ["getTime", "getFullYear", "getMonth", "getDate", "getHours", "getMinutes", "getSeconds"].map((name) => uncurried(dateMethods[name]));

function method(proto, name, value) {
  defineProperty(value, "name", { value: name, configurable: true });
  defineProperty(proto, name, { value, writable: true, configurable: true, enumerable: false });
}

// The zone is UTC and has no name.
const unnamed = (shown) => match(/^[^(]*[^( ]/, shown)?.[0] ?? shown;

function VirtualDate(...given) {
  if (!new.target) return unnamed(dateText(new RealDate(nowMs)));
  return construct(RealDate, given.length ? given : [nowMs], new.target);
}
defineProperty(VirtualDate, "name", { value: "Date", configurable: true });
defineProperty(VirtualDate, "length", { value: 7, configurable: true });
defineProperty(VirtualDate, "prototype", { value: dateMethods, writable: false, enumerable: false, configurable: false });
method(VirtualDate, "now", () => nowMs);
method(VirtualDate, "parse", RealDate.parse);
method(VirtualDate, "UTC", RealDate.UTC);
defineProperty(dateMethods, "constructor", { value: VirtualDate, writable: true, configurable: true, enumerable: false });
expose("Date", VirtualDate);

method(dateMethods, "toString", function () { return unnamed(dateText(this)); });
method(dateMethods, "toTimeString", function () { return unnamed(timeText(this)); });

// ---- no locale ----

const two = (n) => (n < 10 ? `0${n}` : `${n}`);
const four = (n) => sliced(`000${n}`, n > 999 ? 3 : -4);
const localDate = (date) => `${two(getMonth(date) + 1)}/${two(getDay(date))}/${four(getYear(date))}`;
const localTime = (date) => `${two(getHour(date) % 12 || 12)}:${two(getMinute(date))}:${two(getSecond(date))} ${getHour(date) < 12 ? "AM" : "PM"}`;
const orInvalid = (write) => function () { return getTime(this) === getTime(this) ? write(this) : "Invalid Date"; };
method(dateMethods, "toLocaleString", orInvalid((date) => `${localDate(date)}, ${localTime(date)}`));
method(dateMethods, "toLocaleDateString", orInvalid(localDate));
method(dateMethods, "toLocaleTimeString", orInvalid(localTime));
const [numberText, bigText] = [uncurried(Number.prototype.toString), uncurried(BigInt.prototype.toString)];
method(Number.prototype, "toLocaleString", function () { return numberText(this); });
method(BigInt.prototype, "toLocaleString", function () { return bigText(this); });
method(String.prototype, "localeCompare", function (other) {
  if (this === undefined || this === null) throw new RealTypeError("null or undefined are forbidden");
  const a = normalized(text(this));
  const b = normalized(text(other));
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  const rank = (string) => {
    // By code points: surrogates stand for points above every other unit.
    const unit = i < string.length ? codeAt(string, i) : -1;
    return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
  };
  return rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0;
});

// ---- the prelude ----

const native = {
  call,
  log,
  timer,
  random,
  fill,
  encode,
  decode,
  reject: (path, message) => rejectedToolError("invalid_arguments", path, message),
  clear: (id) => { mapDelete(timers, id >>> 0); },
  elapsed: () => elapsedMs,
  now: () => nowMs,
};
const hooks = prelude(native);

// ---- stacks ----

const isWord = (c) => c !== undefined && match(/[\w$\x80-\uffff]/, c) !== null;
const absence = ReferenceError.prototype;

// Our engine marks a call and a property at the name, a computed one at its bracket or the name in it, a construction
// at the class, a missing name at its start; others at the parenthesis, the dot, `new`, and the
// missing name at its end or where its statement begins.
function marked(line, column, absent) {
  const code = lines[line - 1] ?? "";
  let at = column - 1;
  const toStart = () => { while (isWord(code[at - 1])) at--; };
  if (absent) {
    toStart();
    const found = indexOf(code, absent, at);
    if (found >= 0) at = found;
  } else if (code[at] === "(" && isWord(code[at - 1])) {
    toStart();
  } else if (code[at] === "(" && code[at - 1] === "]") {
    for (let depth = 0; at > 0; at--) {
      if (code[at - 1] === "]") depth++;
      else if (code[at - 1] === "[" && --depth === 0) break;
    }
    if (!isWord(code[at]) || (code[at] >= "0" && code[at] <= "9")) at--;
  } else if (code[at] === ".") {
    at++;
  } else if (code[at] === "n" && code[at + 1] === "e" && code[at + 2] === "w" && code[at + 3] === " ") {
    at += 4;
  }
  return at + 1;
}

function absentName(error) {
  if (getPrototypeOf(error) !== absence) return "";
  return match(/^[\w$]+/, text(getOwnPropertyDescriptor(error, "message")?.value))?.[0] ?? "";
}

function frames(error, sites) {
  const absent = absentName(error);
  let out = "";
  for (let i = 0; i < sites.length; i++) {
    const site = sites[i];
    if (site.getFileName() !== "task.ts" || site.isAsync?.()) continue;
    const line = site.getLineNumber();
    const column = marked(line, site.getColumnNumber(), i === 0 && absent);
    out += `    at ${site.getFunctionName() || "<anonymous>"} (task.ts:${line}:${column})\n`;
  }
  return out;
}
RealError.stackTraceLimit = STACK_FRAMES;
// Whoever may write stacks sees the functions that run: that stays ours.
defineProperty(RealError, "prepareStackTrace", { get: () => frames, set: () => {}, enumerable: false, configurable: false });

// ---- nothing else ----

const kept = { __proto__: null };
for (const name of `AggregateError Array ArrayBuffer AsyncDisposableStack BigInt BigInt64Array BigUint64Array Boolean
  DOMException DataView Date DisposableStack Error EvalError Float16Array Float32Array Float64Array Function Infinity
  Int16Array Int32Array Int8Array InternalError Iterator JSON Map Math NaN Number Object Promise Proxy RangeError
  ReferenceError Reflect RegExp Set String SuppressedError Symbol SyntaxError TextDecoder TextEncoder ToolError TypeError
  URIError URL URLSearchParams Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakSet atob btoa
  clearInterval clearTimeout console crypto decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval
  globalThis isFinite isNaN parseFloat parseInt performance queueMicrotask setInterval setTimeout structuredClone tools
  undefined unescape`.split(/\s+/)) kept[name] = true;
for (let object = globalThis; object !== null && object !== Object.prototype; object = getPrototypeOf(object)) {
  for (const key of ownKeys(object)) {
    // What cannot be deleted stands on a prototype that is cut off below.
    if (object !== globalThis || !kept[text(key)]) deleteProperty(object, key);
  }
}
setPrototypeOf(globalThis, Object.prototype);
if (host.noEval) expose("eval", function () { throw new EvalError("eval is not available on this runtime"); });

// ---- turns ----

function finish(value) {
  if (finished) return;
  if (passed) return end(passed);
  let json;
  try {
    json = stringify(value);
  } catch (error) {
    return failWith(new RealTypeError(`the result cannot be written as JSON: ${jsonProblem(error)}`));
  }
  if (json === undefined) {
    finished = true;
    return post({ __proto__: null, t: "done", result: "null", wasUndefined: true }, true);
  }
  if (utf8Length(json) > limits.resultBytesMax) return end("resultLimit");
  const mended = mendJson(json);
  if (mended.deepest > JSON_DEPTH_MAX) {
    return failWith(new RealTypeError(`the result is nested more than ${JSON_DEPTH_MAX} levels deep; return a flatter value`));
  }
  finished = true;
  post({ __proto__: null, t: "done", result: mended.json, wasUndefined: false }, true);
}

function endTurn() {
  if (finished) return;
  if (passed) return end(passed);
  const next = nextTimer();
  if (!mapSize(calls) && !next) return end("neverSettles");
  post({ __proto__: null, t: "turnEnd", pendingCalls: mapSize(calls), nextTimer: next ? next.due : null }, true);
}

function answer(command) {
  const pending = mapGet(calls, command.seq);
  mapDelete(calls, command.seq);
  bytesInFlight -= pending.bytes;
  let value;
  try {
    value = parse(command.json);
    if (!command.ok) value = hooks.toolError(value, pending.line, pending.column);
  } catch (error) {
    pending.reject(error);
    return;
  }
  if (command.ok) pending.resolve(value);
  else pending.reject(value);
}

// One command, as JSON text; `load` gives the program's function when it begins.
return function turn(commandText, load) {
  const command = parse(commandText);
  switch (command.t) {
    case "start":
      limits = command.limits;
      nowMs = command.nowMs;
      elapsedMs = command.elapsedMs;
      seedRandom(command.seed);
      lines = command.code.split("\n");
      try {
        const program = load(command.code);
        then(apply(program, undefined, []), finish, failWith);
      } catch (error) {
        failWith(error);
        return;
      }
      host.hop(endTurn);
      break;
    case "deliver":
      fireTimers(command.nowMs, command.elapsedMs, () => {
        answer(command);
        host.hop(endTurn);
      });
      break;
    case "advance":
      fireTimers(command.nowMs, command.elapsedMs, endTurn);
      break;
  }
};
