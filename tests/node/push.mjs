// A browser's side of Web Push, and what a push service checks, without any of our code: keys are made
// by Node, messages are opened by the reference implementation of RFC 8188 (`http_ece`), and signatures
// are checked by OpenSSL. Reads one order from standard input, and writes its answer.
import { createECDH, createPublicKey, randomBytes, verify } from "node:crypto";
import ece from "http_ece";

/** The keys of so many browsers. */
function browsers(count) {
  return Array.from({ length: count }, () => {
    const pair = createECDH("prime256v1");
    const p256dh = pair.generateKeys("base64url");
    return { private: pair.getPrivateKey("base64url"), p256dh, auth: randomBytes(16).toString("base64url") };
  });
}

/** What a message says, and who signed for it; it opens for the browser that it is for alone. */
function opened({ browser, body, authorization }) {
  const pair = createECDH("prime256v1");
  pair.setPrivateKey(browser.private, "base64url");
  let text = null;
  try {
    text = ece.decrypt(Buffer.from(body, "base64"), { version: "aes128gcm", privateKey: pair, authSecret: browser.auth }).toString();
  } catch {
    // It is for another browser.
  }
  const [, token, key] = /^vapid t=([^,]+), k=(\S+)$/.exec(authorization);
  const [header, claims, signature] = token.split(".");
  const point = Buffer.from(key, "base64url");
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString("base64url"));
  const signer = createPublicKey({ format: "jwk", key: { kty: "EC", crv: "P-256", x, y } });
  const isSigned = verify("sha256", Buffer.from(`${header}.${claims}`), { key: signer, dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url"));
  const read = (part) => JSON.parse(Buffer.from(part, "base64url").toString());
  return { told: text && JSON.parse(text), key, isSigned, header: read(header), claims: read(claims) };
}

let order = "";
for await (const part of process.stdin) order += part;
const { make, open } = JSON.parse(order);
console.log(JSON.stringify({ made: browsers(make ?? 0), opened: (open ?? []).map(opened) }));
