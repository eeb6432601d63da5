// A push service on loopback, and a browser's keys with it: what it takes is opened as RFC 8291 says.
import { createDecipheriv, createECDH, hkdfSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";

/** `told` holds what each message says, as the browser would read it. */
export async function startPushService() {
  const pair = createECDH("prime256v1");
  const p256dh = pair.generateKeys();
  const auth = randomBytes(16);
  const told = [];
  let status = 201;
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      told.push(open(Buffer.concat(parts), { pair, p256dh, auth }));
      response.writeHead(status).end();
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}`,
    keys: { p256dh: p256dh.toString("base64url"), auth: auth.toString("base64url") },
    told,
    answer: (next) => (status = next),
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}

function open(body, { pair, p256dh, auth }) {
  const salt = body.subarray(0, 16);
  const sender = body.subarray(21, 21 + body[20]);
  const record = body.subarray(21 + body[20]);
  const whose = Buffer.concat([Buffer.from("WebPush: info\0"), p256dh, sender]);
  const secret = Buffer.from(hkdfSync("sha256", pair.computeSecret(sender), auth, whose, 32));
  const part = (name, length) => Buffer.from(hkdfSync("sha256", secret, salt, Buffer.from(`Content-Encoding: ${name}\0`), length));
  const cipher = createDecipheriv("aes-128-gcm", part("aes128gcm", 16), part("nonce", 12));
  cipher.setAuthTag(record.subarray(-16));
  const text = Buffer.concat([cipher.update(record.subarray(0, -16)), cipher.final()]);
  return JSON.parse(text.subarray(0, text.lastIndexOf(2)).toString());
}

/**
 * Lets a page subscribe at this service: the services of browsers' makers cannot be reached from a test,
 * so this one step is played. Everything else is the browser's own.
 */
export async function playSubscribing(page, service) {
  await page.addInitScript(
    ({ endpoint, keys }) => {
      const made = (key) => ({
        endpoint,
        options: { applicationServerKey: key, userVisibleOnly: true },
        toJSON: () => ({ endpoint, expirationTime: null, keys }),
        unsubscribe: async () => {
          localStorage.removeItem("test.subscribed");
          return true;
        },
      });
      PushManager.prototype.subscribe = async ({ applicationServerKey, userVisibleOnly }) => {
        if (!userVisibleOnly || applicationServerKey.length !== 65 || applicationServerKey[0] !== 4) throw new TypeError("no key of a server");
        localStorage.setItem("test.subscribed", "yes");
        return made(applicationServerKey.buffer);
      };
      PushManager.prototype.getSubscription = async () => (localStorage.getItem("test.subscribed") ? made(null) : null);
    },
    { endpoint: `${service.address}/push/a`, keys: service.keys },
  );
}

/** Hands a message to the worker of a page's browser as its push service would. */
export async function deliver(page, server, message) {
  const session = await page.context().newCDPSession(page);
  const registered = new Promise((resolve) => {
    session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const own = registrations.find((each) => each.scopeURL.startsWith(server.address) && !each.isDeleted);
      if (own) resolve(own.registrationId);
    });
  });
  await session.send("ServiceWorker.enable");
  const registrationId = await registered;
  await session.send("ServiceWorker.deliverPushMessage", { origin: server.address, registrationId, data: JSON.stringify(message) });
  await session.detach();
}

/** What the browser shows of a page's server. */
export const shown = (page) =>
  page.evaluate(async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    const notes = (await registration?.getNotifications()) ?? [];
    return notes.map(({ title, body, tag, data }) => ({ title, body, tag, url: data?.url }));
  });
