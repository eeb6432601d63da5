// URL and URLSearchParams, after the URL Standard (https://url.spec.whatwg.org).
//
// Host names outside ASCII are lower-cased, normalized (NFC) and written in
// Punycode; the full IDNA mapping tables are not carried.

const defaultPorts = { __proto__: null, "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21", "file:": "" };
const isSpecial = (protocol) => protocol in defaultPorts;

// ---- percent-encoding ----

const fragmentSet = ' "<>`';
const querySet = ' "#<>';
const specialQuerySet = querySet + "'";
const pathSet = querySet + "?^`{}";
const userinfoSet = pathSet + "/:;=@[\\]|";

function encodeWith(input, set) {
  let out = "";
  for (const point of input) {
    if (point > " " && point < "\x7f" && !set.includes(point)) {
      out += point;
    } else if (point === " " && !set.includes(" ")) {
      out += " ";
    } else {
      for (const byte of native.encode(point)) out += "%" + (byte < 16 ? "0" : "") + byte.toString(16).toUpperCase();
    }
  }
  return out;
}

function percentDecode(input) {
  if (!input.includes("%")) return input;
  const from = native.encode(input);
  const to = [];
  for (let i = 0; i < from.length; i++) {
    const hex = from[i] === 37 ? String.fromCharCode(from[i + 1], from[i + 2]) : "";
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      to.push(parseInt(hex, 16));
      i += 2;
    } else {
      to.push(from[i]);
    }
  }
  return native.decode(new Bytes(to), false);
}

// ---- hosts ----

// RFC 3492
function punycode(label) {
  const points = Array.from(label, (c) => c.codePointAt(0));
  let out = points.filter((p) => p < 128).map((p) => String.fromCharCode(p)).join("");
  const basic = out.length;
  let handled = basic;
  if (basic) out += "-";
  let n = 128;
  let delta = 0;
  let bias = 72;
  while (handled < points.length) {
    const next = Math.min(...points.filter((p) => p >= n));
    delta += (next - n) * (handled + 1);
    n = next;
    for (const point of points) {
      if (point < n) delta++;
      if (point !== n) continue;
      let q = delta;
      for (let k = 36; ; k += 36) {
        const t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
        const digit = q < t ? q : t + ((q - t) % (36 - t));
        out += String.fromCharCode(digit < 26 ? 97 + digit : 22 + digit);
        if (q < t) break;
        q = Math.floor((q - t) / (36 - t));
      }
      delta = handled === basic ? Math.floor(delta / 700) : delta >> 1;
      delta += Math.floor(delta / (handled + 1));
      let k = 0;
      for (; delta > 455; k += 36) delta = Math.floor(delta / 35);
      bias = k + Math.floor((36 * delta) / (delta + 38));
      delta = 0;
      handled++;
    }
    delta++;
    n++;
  }
  return "xn--" + out;
}

function parseIpv4Number(part) {
  if (/^0[xX][0-9a-fA-F]*$/.test(part)) return part.length === 2 ? 0 : parseInt(part.slice(2), 16);
  if (/^0[0-7]+$/.test(part)) return parseInt(part, 8);
  return /^[0-9]+$/.test(part) && !/^0[0-9]/.test(part) ? parseInt(part, 10) : NaN;
}

// undefined: not an address; null: one that is malformed
function parseIpv4(host) {
  const parts = host.split(".");
  if (parts.length > 1 && parts.at(-1) === "") parts.pop();
  const last = parts.at(-1);
  if (!/^[0-9]+$/.test(last) && Number.isNaN(parseIpv4Number(last))) return undefined;
  const numbers = parts.map(parseIpv4Number);
  if (parts.length > 4 || numbers.some(Number.isNaN)) return null;
  const tail = numbers.pop();
  if (numbers.some((n) => n > 255) || tail >= 256 ** (4 - numbers.length)) return null;
  let address = tail;
  numbers.forEach((n, i) => { address += n * 256 ** (3 - i); });
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

function parseIpv6(source) {
  let input = source;
  const v4 = /^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(input);
  if (v4) {
    const [a, b, c, d] = v4.slice(2).map(Number);
    if (Math.max(a, b, c, d) > 255) return null;
    input = v4[1] + (a * 256 + b).toString(16) + ":" + (c * 256 + d).toString(16);
  }
  const halves = input.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const given = [...head, ...(tail ?? [])];
  if (given.some((g) => !/^[0-9a-fA-F]{1,4}$/.test(g))) return null;
  if (tail ? given.length > 7 : given.length !== 8) return null;
  const groups = [...head, ...Array(8 - given.length).fill("0"), ...(tail ?? [])].map((g) => parseInt(g, 16));
  let best = { start: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (groups[i + length] === 0) length++;
    if (length > best.length) best = { start: i, length };
    i += length;
  }
  const hex = (list) => list.map((g) => g.toString(16)).join(":");
  return best.start < 0 ? `[${hex(groups)}]` : `[${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}]`;
}

// The host as written in a URL, or null when it cannot be one.
function parseHost(input, special) {
  if (input.startsWith("[")) return input.endsWith("]") ? parseIpv6(input.slice(1, -1)) : null;
  if (!special) return /[\0\t\n\r #/:<>?@[\\\]^|]/.test(input) ? null : encodeWith(input, "");
  const labels = percentDecode(input).normalize("NFC").toLowerCase().split(/[.\u3002\uFF0E\uFF61]/);
  const host = labels.map((label) => (/[^\0-\x7f]/.test(label) ? punycode(label) : label)).join(".");
  if (host === "" || /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f]/.test(host)) return null;
  const address = parseIpv4(host);
  return address === undefined ? host : address;
}

// ---- parsing ----

function normalizePath(path, special, isFile) {
  const segments = (special ? path.replaceAll("\\", "/") : path).split("/");
  const out = [];
  segments.forEach((segment, i) => {
    const last = i === segments.length - 1;
    if (/^(\.|%2e)$/i.test(segment)) {
      if (last) out.push("");
    } else if (/^(\.|%2e){2}$/i.test(segment)) {
      if (out.length > 1 && !(isFile && out.length === 2 && /^[A-Za-z]:$/.test(out[1]))) out.pop();
      if (last) out.push("");
    } else {
      out.push(isFile && i === 1 && /^[A-Za-z]\|$/.test(segment) ? segment[0] + ":" : encodeWith(segment, pathSet));
    }
  });
  return out.join("/");
}

function parseAuthority(url, authority, special) {
  const at = authority.lastIndexOf("@");
  if (at >= 0) {
    const [user, ...password] = authority.slice(0, at).split(":");
    url.username = encodeWith(user, userinfoSet);
    url.password = encodeWith(password.join(":"), userinfoSet);
  }
  const match = /^(\[[^\]]*\]|[^:]*)(?::([0-9]*))?$/.exec(authority.slice(at + 1));
  if (!match) return null;
  const [, host, port = ""] = match;
  if (host === "") {
    if ((special && url.protocol !== "file:") || at >= 0 || port) return null;
    url.host = "";
    return url;
  }
  url.host = parseHost(host, special);
  if (url.host === null || Number(port) > 65535) return null;
  if (url.protocol === "file:") {
    if (url.host === "localhost") url.host = "";
    return at >= 0 || port ? null : url;
  }
  url.port = port === "" || String(Number(port)) === defaultPorts[url.protocol] ? "" : String(Number(port));
  return url;
}

function splitRest(rest) {
  const [, path, query, fragment] = /^([^?#]*)(\?[^#]*)?(#[^]*)?$/.exec(rest);
  return { path, query, fragment };
}

function parseUrl(source, base) {
  const input = text(source).replace(/^[\0-\x20]+|[\0-\x20]+$/g, "").replace(/[\t\n\r]/g, "");
  const url = { protocol: "", username: "", password: "", host: null, port: "", path: "", query: null, fragment: null, opaque: false };
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(input)?.[0].toLowerCase();
  let rest = input;
  let relativeTo = null;
  if (scheme) {
    url.protocol = scheme;
    rest = input.slice(scheme.length);
    if (base && base.protocol === scheme && isSpecial(scheme) && !/^[/\\]/.test(rest)) relativeTo = base;
  } else {
    if (!base || (base.opaque && !input.startsWith("#"))) return null;
    relativeTo = base;
    url.protocol = base.protocol;
  }
  const special = isSpecial(url.protocol);
  const { path: written, query, fragment } = splitRest(rest);
  if (fragment !== undefined) url.fragment = encodeWith(fragment.slice(1), fragmentSet);
  if (query !== undefined) url.query = encodeWith(query.slice(1), special ? specialQuerySet : querySet);
  let path = special ? written.replaceAll("\\", "/") : written;

  const slashes = special && !relativeTo && url.protocol !== "file:" ? /^\/*/.exec(path)[0].length : path.startsWith("//") ? 2 : 0;
  if (slashes || (special && !relativeTo && url.protocol !== "file:")) {
    const end = path.indexOf("/", slashes);
    const authority = end < 0 ? path.slice(slashes) : path.slice(slashes, end);
    path = end < 0 ? "" : path.slice(end);
    if (url.protocol === "file:" && /^[A-Za-z][:|]$/.test(authority)) {
      url.host = "";
      path = `/${authority}${path}`;
    } else if (!parseAuthority(url, authority, special)) {
      return null;
    }
  } else if (relativeTo) {
    Object.assign(url, { username: base.username, password: base.password, host: base.host, port: base.port, opaque: base.opaque });
    if (path === "") {
      url.path = base.path;
      if (query === undefined) url.query = base.query;
      return url;
    }
    if (!path.startsWith("/")) path = base.path.slice(0, base.path.lastIndexOf("/") + 1) + path;
    if (!path.startsWith("/") && base.host !== null) path = "/" + path;
  } else if (url.protocol === "file:") {
    url.host = "";
    if (!path.startsWith("/")) path = "/" + path;
  } else if (!path.startsWith("/")) {
    url.opaque = true;
    url.path = encodeWith(path, "").replace(/ +$/, (spaces) => "%20".repeat(spaces.length));
    return url;
  }
  url.path = normalizePath(path, special, url.protocol === "file:");
  if (special && url.path === "") url.path = "/";
  return url;
}

function serializeUrl(url) {
  let out = url.protocol;
  if (url.host !== null) {
    out += "//";
    if (url.username || url.password) out += url.username + (url.password ? ":" + url.password : "") + "@";
    out += url.host + (url.port ? ":" + url.port : "");
  } else if (!url.opaque && url.path.startsWith("//")) {
    out += "/.";
  }
  return out + url.path + (url.query === null ? "" : "?" + url.query) + (url.fragment === null ? "" : "#" + url.fragment);
}
