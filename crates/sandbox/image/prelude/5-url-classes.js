// The URL and URLSearchParams classes over the parser of 4-url.js.

const formEncode = (value) => encodeWith(text(value), "!\"#$%&'()+,/:;<=>?@[\\]^`{|}~").replaceAll(" ", "+");
const formDecode = (value) => percentDecode(value.replaceAll("+", " "));

let bindParams; // (params, url record): makes the pair live

class URLSearchParams {
  #pairs = [];
  #url = null;

  constructor(init = "") {
    if (typeof init === "object" && init !== null) {
      const entries = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
      for (const entry of entries) {
        const pair = [...entry];
        if (pair.length !== 2) throw new TypeError("each entry of URLSearchParams is a name and a value");
        this.#pairs.push([text(pair[0]), text(pair[1])]);
      }
    } else {
      this.#read(text(init).replace(/^\?/, ""));
    }
  }

  static {
    bindParams = (params, url) => {
      params.#url = url;
      params.#read(url.query ?? "");
    };
  }

  #read(query) {
    this.#pairs = query.split("&").filter((part) => part !== "").map((part) => {
      const eq = part.indexOf("=");
      return eq < 0 ? [formDecode(part), ""] : [formDecode(part.slice(0, eq)), formDecode(part.slice(eq + 1))];
    });
  }
  #changed() {
    if (this.#url) this.#url.query = this.toString() || null;
  }

  get size() { return this.#pairs.length; }
  append(name, value) {
    this.#pairs.push([text(name), text(value)]);
    this.#changed();
  }
  delete(name, value) {
    this.#pairs = this.#pairs.filter(([n, v]) => n !== text(name) || (value !== undefined && v !== text(value)));
    this.#changed();
  }
  get(name) { return this.#pairs.find(([n]) => n === text(name))?.[1] ?? null; }
  getAll(name) { return this.#pairs.filter(([n]) => n === text(name)).map(([, v]) => v); }
  has(name, value) { return this.#pairs.some(([n, v]) => n === text(name) && (value === undefined || v === text(value))); }
  set(name, value) {
    const at = this.#pairs.findIndex(([n]) => n === text(name));
    if (at < 0) return this.append(name, value);
    this.#pairs[at][1] = text(value);
    this.#pairs = this.#pairs.filter(([n], i) => i <= at || n !== text(name));
    this.#changed();
  }
  sort() {
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#changed();
  }
  forEach(callback, self) {
    for (const [name, value] of this.#pairs) apply(callback, self, [value, name, this]);
  }
  *entries() { for (const [name, value] of this.#pairs) yield [name, value]; }
  *keys() { for (const [name] of this.#pairs) yield name; }
  *values() { for (const [, value] of this.#pairs) yield value; }
  [Symbol.iterator]() { return this.entries(); }
  toString() { return this.#pairs.map(([n, v]) => `${formEncode(n)}=${formEncode(v)}`).join("&"); }
  get [Symbol.toStringTag]() { return "URLSearchParams"; }
}
expose("URLSearchParams", URLSearchParams);

class URL {
  #url;
  #params = new URLSearchParams();

  constructor(source, base) {
    const parsedBase = base === undefined ? null : parseUrl(base, null);
    const parsed = base !== undefined && !parsedBase ? null : parseUrl(source, parsedBase);
    if (!parsed) throw new TypeError(`Invalid URL: ${text(source)}`);
    this.#set(parsed);
  }
  static canParse(source, base) { return URL.parse(source, base) !== null; }
  static parse(source, base) {
    try {
      return new URL(source, base);
    } catch {
      return null;
    }
  }

  #set(parsed) {
    this.#url = parsed;
    bindParams(this.#params, parsed);
  }
  // Parses a whole URL with one part replaced; what cannot be is ignored, as the standard has it.
  #replace(change) {
    const copy = { ...this.#url };
    if (change(copy) === false) return;
    const parsed = parseUrl(serializeUrl(copy), null);
    if (parsed) this.#set(parsed);
  }

  get href() { return serializeUrl(this.#url); }
  set href(value) {
    const parsed = parseUrl(value, null);
    if (!parsed) throw new TypeError(`Invalid URL: ${text(value)}`);
    this.#set(parsed);
  }
  get origin() {
    const { protocol } = this.#url;
    return isSpecial(protocol) && protocol !== "file:" ? `${protocol}//${this.host}` : "null";
  }
  get protocol() { return this.#url.protocol; }
  set protocol(value) {
    const scheme = /^[A-Za-z][A-Za-z0-9+.-]*(?=:|$)/.exec(text(value))?.[0].toLowerCase();
    if (scheme && isSpecial(scheme + ":") === isSpecial(this.protocol)) this.#replace((url) => { url.protocol = scheme + ":"; });
  }
  get username() { return this.#url.username; }
  set username(value) {
    if (this.#url.host && this.protocol !== "file:") this.#url.username = encodeWith(text(value), userinfoSet);
  }
  get password() { return this.#url.password; }
  set password(value) {
    if (this.#url.host && this.protocol !== "file:") this.#url.password = encodeWith(text(value), userinfoSet);
  }
  get host() { return (this.#url.host ?? "") + (this.#url.port ? ":" + this.#url.port : ""); }
  set host(value) {
    const [, host, port] = /^(\[[^\]]*\]|[^:/?#\\]*)(?::([0-9]+))?/.exec(text(value));
    this.hostname = host;
    if (port !== undefined) this.port = port;
  }
  get hostname() { return this.#url.host ?? ""; }
  set hostname(value) {
    if (this.#url.opaque) return;
    const special = isSpecial(this.protocol);
    const host = parseHost(/^(\[[^\]]*\]|[^:/?#\\]*)/.exec(text(value))[0], special);
    if (host !== null && (host !== "" || !special)) this.#url.host = host;
  }
  get port() { return this.#url.port; }
  set port(value) {
    if (!this.#url.host || this.protocol === "file:") return;
    const digits = /^[0-9]*/.exec(text(value))[0];
    if (text(value) === "") this.#url.port = "";
    else if (digits && Number(digits) <= 65535) this.#url.port = text(Number(digits)) === defaultPorts[this.protocol] ? "" : text(Number(digits));
  }
  get pathname() { return this.#url.path; }
  set pathname(value) {
    if (this.#url.opaque) return;
    const path = text(value).replaceAll("?", "%3F").replaceAll("#", "%23");
    const special = isSpecial(this.protocol);
    this.#url.path = normalizePath(/^[/\\]/.test(path) ? path : "/" + path, special, this.protocol === "file:");
  }
  get search() { return this.#url.query ? "?" + this.#url.query : ""; }
  set search(value) {
    const query = text(value).replace(/^\?/, "");
    this.#url.query = query === "" ? null : encodeWith(query, isSpecial(this.protocol) ? specialQuerySet : querySet);
    bindParams(this.#params, this.#url);
  }
  get searchParams() { return this.#params; }
  get hash() { return this.#url.fragment ? "#" + this.#url.fragment : ""; }
  set hash(value) {
    const fragment = text(value).replace(/^#/, "");
    this.#url.fragment = fragment === "" ? null : encodeWith(fragment, fragmentSet);
  }
  toString() { return this.href; }
  toJSON() { return this.href; }
  get [Symbol.toStringTag]() { return "URL"; }
}
expose("URL", URL);
