// A browser that is told while it is closed: switched on, told, cleared, tested and removed.
import assert from "node:assert/strict";
import { violations } from "../lib/axe.mjs";
import { openPage } from "../lib/browser.mjs";
import { deliver, playSubscribing, shown, startPushService } from "../lib/push.mjs";
import { startServer, until } from "../lib/server.mjs";

const create = (n) => `return await tools.shop.items.createItem({ name: "canary ${n}", amount: ${n} });`;

/** A server that takes a push service of ours, with the API that asks for writes. */
async function notifying(upstream) {
  const service = await startPushService();
  const server = await startServer({ env: { EXECUTOR_PUSH_SERVICES: service.address } });
  await server.post("/sources", { url: `${upstream.address}/openapi.json`, name: "shop", allowPrivate: true });
  const stop = () => Promise.all([server.stop(), service.stop()]);
  return { server, service, stop };
}

const toggle = (page) => page.getByRole("checkbox", { name: /Notify this browser when it is closed/ });

export default {
  async "a closed browser is switched on, shows what waits, and forgets what is over"({ browser, upstream }) {
    const { server, service, stop } = await notifying(upstream);
    try {
      const page = await openPage(browser, server, { permissions: ["notifications"] });
      await playSubscribing(page, service);
      await page.goto("/w/local/settings/notifications");
      await page.getByText("No browser is notified while it is closed.").waitFor();
      assert.equal(await toggle(page).isChecked(), false);
      await toggle(page).click();
      const row = page.getByRole("region", { name: "Your notified browsers" }).getByRole("listitem");
      await row.getByText("(this one)").waitFor();
      await until(() => toggle(page).isChecked(), "the box to be ticked");
      assert.deepEqual(await violations(page), []);
      const { items } = await server.get("/push/subscriptions");
      assert.equal(items.length, 1);
      assert.match(items[0].name, /^Chrome on /);
      await row.getByRole("button", { name: /^Send a test/ }).click();
      await page.getByRole("status").getByText(/^Sent a test to Chrome/).waitFor();
      assert.equal(service.told[0].title, "Notifications reach this browser");
      // What the server sends is what the worker shows.
      await server.submit(create(1));
      const [asked] = await server.pending();
      const message = await until(() => service.told.find((each) => each.ids.includes(asked.id)), "the message");
      assert.ok(!JSON.stringify(message).includes("canary"), JSON.stringify(message));
      await deliver(page, server, message);
      const notes = await until(async () => (await shown(page)).find((each) => each.tag === asked.id), "the notification");
      assert.deepEqual(notes, { title: "shop.items.createItem waits for a decision", body: message.body, tag: asked.id, url: `/a/${asked.id}` });
      assert.match(message.body, /^WRITE, asked by /);
      // Answered elsewhere: the page takes the note away.
      const done = await server.get(`/approvals/${asked.id}`);
      await server.post(`/approvals/${asked.id}/deny`, { digest: done.digest });
      await until(async () => (await shown(page)).length === 0, "the note to be taken away");
      // Without a page, the next message says what is over.
      await deliver(page, server, { ...message, tag: "first", ids: ["appr_first"], workspace: "another" });
      await until(async () => (await shown(page)).some((each) => each.tag === "first"), "a note of another workspace");
      await deliver(page, server, { ...message, tag: "second", ids: ["appr_second"], over: ["appr_first"], workspace: "another" });
      await until(async () => (await shown(page)).map((each) => each.tag).join() === "second", "the note that is over to go");
      // A message that nobody can read is shown as something that waits, and leads to the inbox.
      await deliver(page, server, "no object");
      const plain = await until(async () => (await shown(page)).find((each) => each.tag === "executor"), "a note");
      assert.equal(plain.url, "/approvals");
      // Quiet hours of this browser hold for what it is sent.
      await page.getByRole("region", { name: "This browser" }).getByLabel("Quiet hours", { exact: true }).check();
      const quiet = await until(async () => (await server.get("/push/subscriptions")).items[0].quietHours, "quiet hours");
      assert.match(quiet, /^22:00-07:00[+-]\d\d:\d\d$/);
      // It stays on over a load of the page, and off when it is switched off.
      await page.reload();
      await row.getByText("(this one)").waitFor();
      assert.equal(await toggle(page).isChecked(), true);
      await toggle(page).click();
      await page.getByText("No browser is notified while it is closed.").waitFor();
      assert.equal((await server.get("/push/subscriptions")).items.length, 0);
      assert.equal(await page.evaluate(() => localStorage.getItem("test.subscribed")), null);
      assert.deepEqual(page.faults, []);
    } finally {
      await stop();
    }
  },

  async "the worker is the server's own, and a browser that cannot or may not says why"({ browser, server }) {
    const answer = await fetch(`${server.address}/service-worker.js`);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.match(answer.headers.get("content-type"), /^text\/javascript/);
    assert.match(answer.headers.get("content-security-policy"), /default-src 'self'/);
    const denied = await openPage(browser, server);
    await denied.addInitScript(() => Object.defineProperty(Notification, "permission", { get: () => "denied" }));
    await denied.goto("/w/local/settings/notifications");
    await denied.getByText("This browser blocks notifications of this page.").waitFor();
    assert.equal(await toggle(denied).isDisabled(), true);
    const plain = await openPage(browser, server);
    await plain.addInitScript(() => Object.defineProperty(window, "isSecureContext", { get: () => false }));
    await plain.goto("/w/local/settings/notifications");
    await plain.getByText("Browsers allow it only at an https address").waitFor();
    assert.equal(await toggle(plain).isDisabled(), true);
    assert.deepEqual(await violations(plain), []);
    for (const page of [denied, plain]) assert.deepEqual(page.faults, []);
  },
};
