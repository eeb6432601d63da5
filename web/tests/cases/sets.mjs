// Policy sets: made, tried, assigned and taken back in the page, and what calls then come to.
import assert from "node:assert/strict";
import { violations } from "../lib/axe.mjs";
import { openPage } from "../lib/browser.mjs";
import { until } from "../lib/server.mjs";

const LISTS = "return await tools.shop.items.listItems()";

/** What becomes of a list of the shop. */
async function listing(server) {
  const { id } = await server.submit(LISTS);
  return (await server.settled(id)).status;
}

export default {
  async "a set is tried before it is assigned, decides then, and decides no more when it is taken back"({ browser, server }) {
    assert.equal(await listing(server), "completed");
    const page = await openPage(browser, server);
    await page.goto("/w/local/policies");
    await page.getByRole("navigation", { name: "Policies" }).getByRole("link", { name: "Sets" }).click();
    await page.getByText("There is no set yet.").waitFor();
    await page.getByRole("button", { name: "Make a set" }).click();
    const making = page.getByRole("dialog", { name: "Make a set" });
    await making.getByLabel("Name").fill("Night shift");
    await making.getByLabel("What it is for").fill("Nothing at night");
    assert.deepEqual(await violations(page), []);
    await making.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { name: "Night shift" }).waitFor();

    // A rule of it, with the editor of rules.
    await page.getByRole("link", { name: "Add a rule" }).click();
    await page.getByLabel("When the tool is").fill("shop.items.list*");
    await page.getByRole("radio", { name: "deny" }).check();
    await page.getByLabel("Note").fill("Asleep");
    await page.getByRole("button", { name: "See what it would do" }).click();
    await page.getByText("none would be decided otherwise").waitFor();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("listitem").filter({ hasText: "Asleep" }).getByRole("link").waitFor();
    await page.getByRole("link", { name: "Close" }).click();
    assert.equal(await listing(server), "completed", "it binds nobody yet");

    // Assigned only once it was seen what that would do, and it does that.
    await page.getByRole("button", { name: "Assign it…" }).click();
    const assigning = page.getByRole("dialog", { name: /Assign the set/ });
    const assign = assigning.getByRole("button", { name: "Assign it" });
    assert.equal(await assign.getAttribute("aria-disabled"), "true");
    await assigning.getByRole("button", { name: "See what it would do" }).click();
    await assigning.getByText("Tried on 2 recorded calls: 2 calls would be decided otherwise.").waitFor();
    assert.deepEqual(await violations(page), []);
    assert.equal((await server.get("/policies")).rules.length, 0);
    await assign.click();
    await page.getByText("the workspace local").first().waitFor();
    assert.equal(await listing(server), "denied");

    // The rules page shows it as a layer of its own, which is changed in the set.
    await page.goto("/w/local/policies");
    const layer = page.getByRole("region", { name: /Set Night shift, for the workspace/ });
    await layer.getByText("Asleep").waitFor();
    assert.equal(await layer.getByRole("button").count(), 0);
    await page.goto("/w/local/policies/test");
    await page.getByLabel("Tool", { exact: true }).fill("shop.items.listItems");
    await page.getByRole("button", { name: "Ask policy" }).click();
    await page.getByText(/of the set 'Night shift'/).waitFor();
    await page.goto("/w/local/policies/history");
    await page.getByRole("link", { name: /added by the set Night shift/ }).click();
    await page.getByRole("link", { name: /Change the set/ }).click();

    await page.getByRole("heading", { name: "Night shift" }).waitFor();
    await page.getByRole("button", { name: /Take back from the workspace local/ }).click();
    const taking = page.getByRole("alertdialog");
    await taking.getByText("3 calls would be decided otherwise").waitFor();
    assert.deepEqual(await violations(page), []);
    await taking.getByRole("button", { name: "Take it back" }).click();
    await page.getByText("none of its rules holds yet").waitFor();
    assert.equal(await listing(server), "completed");

    await page.getByRole("button", { name: "Delete it" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Delete the set" }).click();
    await page.getByText("There is no set yet.").waitFor();
    await until(async () => (await server.get("/policies/sets")).items.length === 0, "the end of the set");
    assert.deepEqual(page.faults, []);
  },

  async "a rule that leaves a set is tried on calls first, and a copy leads to its set"({ browser, server }) {
    assert.equal(await listing(server), "completed");
    const set = await server.post("/policies/sets", { name: "Shop" });
    await server.post(`/policies/sets/${set.id}/rules`, { effect: "deny", match: { tools: ["shop.**"] }, note: "Closed" });
    await server.post(`/policies/sets/${set.id}/assignments`, { level: "organization" });
    const [copy] = (await server.get("/policies")).rules;
    assert.equal(await listing(server), "denied");
    const page = await openPage(browser, server);
    await page.goto(`/w/local/policies/${copy.id}`);
    await page.getByRole("link", { name: "Open it in the set" }).click();
    await page.getByRole("heading", { name: "Rule 1" }).waitFor();
    await page.getByRole("button", { name: "Remove rule 1" }).click();
    const asked = page.getByRole("alertdialog");
    await asked.getByText("2 calls would be decided otherwise").waitFor();
    await asked.getByRole("button", { name: "Remove the rule" }).click();
    await page.getByText("No rule yet.").waitFor();
    assert.deepEqual((await server.get("/policies")).rules, []);
    assert.equal(await listing(server), "completed");
    assert.deepEqual(page.faults, []);
  },
};
