// Rules: that what a backtest says is what the engine does then, for every kind of change, and that each
// is undone; rules that are never heard; how conditions are written.
import assert from "node:assert/strict";
import { violations } from "../lib/axe.mjs";
import { openPage } from "../lib/browser.mjs";
import { until } from "../lib/server.mjs";

const CALLS = ["getItem({ id: 'a' })", "getItem({ id: 'b' })", "listItems()"];
const said = { completed: "allow", denied: "deny", waiting: "ask" };

/** What the engine does with the same calls now: allow, ask or deny for each. */
async function run(server) {
  const tasks = await Promise.all(CALLS.map((call) => server.submit(`return await tools.shop.items.${call}`)));
  const ends = await Promise.all(tasks.map(({ id }) => server.settled(id, ["completed", "failed", "denied", "waiting"])));
  // What waits would be asked about for ever.
  await Promise.all(ends.filter((each) => each.status === "waiting").map((each) => server.post(`/tasks/${each.id}/cancel`)));
  return ends.map((each) => said[each.status]);
}

const rules = async (server) => (await server.get("/policies")).rules;
/** The rules as anybody reads them, in their order. */
const texts = async (server) => (await rules(server)).map(({ level, position, effect, match, note }) => ({ level, position, effect, match, note }));

/** What a backtest on the last calls of each kind says: from and to of those that change. */
function changesOf(before, after) {
  const counts = new Map();
  for (const [i, from] of before.entries()) if (from !== after[i]) counts.set(`${from} → ${after[i]}`, (counts.get(`${from} → ${after[i]}`) ?? 0) + 1);
  return [...counts].map(([what, count]) => `${count} ${what}`).sort();
}

async function shown(page) {
  const panel = page.getByRole("region", { name: "Backtest" });
  await panel.getByText(/^Tried on 3 recorded calls/).waitFor();
  const items = await panel.locator("ul").first().getByRole("listitem").allInnerTexts().catch(() => []);
  return items.map((each) => each.replace(/[●◆⊘]\s*/g, "").replace(/\s+/g, " ").trim()).sort();
}

/** Undoes the newest change on its page, whose backtest stands in the question. */
async function undo(page, server, expected) {
  await page.goto("/w/local/policies/history");
  await page.getByRole("main").getByRole("listitem").first().getByRole("link").click();
  await page.getByRole("button", { name: "Undo this change" }).click();
  const sure = page.getByRole("alertdialog");
  await sure.getByRole("region", { name: "Backtest" }).waitFor();
  assert.deepEqual(await violations(page), []);
  const { version } = await server.get("/policies");
  await sure.getByRole("button", { name: "Undo it" }).click();
  await until(async () => (await server.get("/policies")).version > version && JSON.stringify(await texts(server)) === JSON.stringify(expected), "the rules as they were");
}

/** A workspace of its own calls for each change: a backtest looks at all that is recorded. */
async function changeIs({ browser, server }, prepare, change) {
  const made = await prepare(server);
  const before = await run(server);
  const were = await texts(server);
  const page = await openPage(browser, server);
  const promised = await change(page, made);
  const after = await run(server);
  assert.deepEqual(promised, changesOf(before, after), "what was promised is what the engine does");
  assert.ok(promised.length > 0, "something changes");
  await undo(page, server, were);
  assert.deepEqual(await run(server), before, "the way back");
  assert.deepEqual(page.faults, []);
}

const add = (server, effect, tools, more = {}) => server.post("/policies", { effect, match: { tools, ...more.match }, note: more.note ?? "" });

export default {
  "an added rule does what its backtest says, and is undone": (world) =>
    changeIs(world, () => undefined, async (page) => {
      await page.goto("/w/local/policies/new");
      await page.getByLabel("When the tool is").fill("shop.items.get*");
      await page.getByRole("radio", { name: "ask" }).check();
      await page.getByRole("button", { name: "See what it would do" }).click();
      const promised = await shown(page);
      await page.getByRole("button", { name: "Save" }).click();
      await until(async () => (await rules(world.server)).length === 1, "the rule");
      return promised;
    }),

  "an edited rule does what its backtest says, and is undone": (world) =>
    changeIs(world, (server) => add(server, "deny", ["shop.items.list*"], { note: "lists" }), async (page, rule) => {
      await page.goto(`/w/local/policies/${rule.id}`);
      await page.getByLabel("When the tool is").fill("shop.items.get*");
      await page.getByRole("button", { name: "Add a condition" }).click();
      // Names of arguments to begin with are those of the tool that it is about, and how to go on is said.
      await page.locator('#argument-names option[value="id "]').waitFor({ state: "attached" });
      await page.getByText("How conditions are written").click();
      await page.getByText('owner in ["a", "b"]').waitFor();
      await page.getByLabel("Condition 1", { exact: true }).fill('id = "b"');
      assert.deepEqual(await violations(page), []);
      await page.getByRole("button", { name: "See what it would do" }).click();
      const promised = await shown(page);
      await page.getByRole("button", { name: "Save" }).click();
      await until(async () => (await rules(world.server))[0].match.conditions.length === 1, "the rule");
      return promised;
    }),

  "a removed rule does what its backtest says, and comes back to its place": (world) =>
    changeIs(
      world,
      async (server) => {
        await add(server, "deny", ["shop.items.getItem"], { note: "first", match: { conditions: ['id = "a"'] } });
        const middle = await add(server, "ask", ["shop.items.*"], { note: "middle" });
        await add(server, "allow", ["shop.**"], { note: "last" });
        return middle;
      },
      async (page, middle) => {
        await page.goto("/w/local/policies");
        const place = (await rules(world.server)).find((each) => each.id === middle.id).position;
        await page.getByRole("button", { name: `Remove rule ${place}` }).click();
        const promised = await shown(page);
        await page.getByRole("alertdialog").getByRole("button", { name: "Remove the rule" }).click();
        await until(async () => (await rules(world.server)).length === 2, "the rule to be gone");
        return promised;
      },
    ),

  "a moved rule is asked about with what it would do, does that, and goes back": (world) =>
    changeIs(
      world,
      async (server) => {
        await add(server, "deny", ["shop.items.getItem"], { note: "narrow" });
        return add(server, "ask", ["shop.items.*"], { note: "broad" });
      },
      async (page, broad) => {
        await page.goto("/w/local/policies");
        const up = page.getByRole("button", { name: "Move rule 2 up" });
        await up.click();
        const sure = page.getByRole("alertdialog");
        await sure.waitFor();
        assert.deepEqual(await violations(page), []);
        await sure.getByRole("button", { name: "Cancel" }).click();
        await sure.waitFor({ state: "detached" });
        assert.equal((await rules(world.server))[1].id, broad.id, "nothing was moved");
        await up.click();
        const promised = await shown(page);
        await sure.getByRole("button", { name: "Move it" }).click();
        await until(async () => (await rules(world.server))[0].id === broad.id, "the move");
        return promised;
      },
    ),

  async "a move that changes no recorded call is made at once, and rules that are never heard are marked"({ browser, server }) {
    await add(server, "deny", ["shop.items.delete*"], { note: "narrow" });
    const broad = await add(server, "ask", ["shop.**"], { note: "broad" });
    const page = await openPage(browser, server);
    await page.goto("/w/local/policies");
    await page.getByText("broad").first().waitFor();
    assert.equal(await page.getByText(/never/).count(), 0);
    await page.getByRole("button", { name: "Move rule 2 up" }).click();
    await page.getByText(/Moved to place 1/).waitFor();
    assert.equal((await rules(server))[0].id, broad.id);
    const narrow = page.getByRole("listitem").filter({ hasText: "narrow" });
    await narrow.getByText("never reached: rule 1 takes every call before it").waitFor();
    // A wider level that is stricter drowns both out.
    await server.post("/policies", { effect: "deny", level: "organization", match: { tools: ["shop.**"] }, note: "closed" });
    await page.reload();
    await page.getByText(/never heard: organization rule 1 says deny to every such call/).first().waitFor();
    await until(async () => (await page.getByText(/never heard/).count()) === 2, "both to be told");
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(page.faults, []);
  },
};
