// A tool tried by hand: a form of everything that a schema may say, the same value as JSON and as a
// program, what policy says to it, and calls that were recorded.
import assert from "node:assert/strict";
import { createServer } from "vite";
import { violations } from "../lib/axe.mjs";
import { approveUnlocked, openPage } from "../lib/browser.mjs";
import { until } from "../lib/server.mjs";

/** A module of the dashboard as it is, without a browser. */
async function load(path, use) {
  const vite = await createServer({ root: new URL("../..", import.meta.url).pathname, server: { middlewareMode: true, ws: false, hmr: false, watch: null }, appType: "custom", logLevel: "error", optimizeDeps: { noDiscovery: true } });
  try {
    return await use(await vite.ssrLoadModule(path));
  } finally {
    await vite.close();
  }
}

export default {
  async "what a form begins with, and which alternative a value is"() {
    await load("/src/pages/tools/schema.ts", ({ bestOf, choicesOf, initial, isNullable, limitsOf, resolve, typeOf, wrongOf }) => {
      const root = { $defs: { Node: { type: "object", required: ["id"], properties: { id: { type: "string" }, next: { $ref: "#/$defs/Node" } } }, Loop: { oneOf: [{ $ref: "#/$defs/Loop" }, { type: "string" }] } } };
      const begin = (schema) => initial(schema, root);
      for (const [schema, expected] of [
        [{ $ref: "#/$defs/Node" }, { id: "" }],
        [{ type: "object", required: ["a"], properties: { a: { type: "integer", minimum: 3 }, b: { type: "string" } } }, { a: 3 }],
        [{ type: "integer", exclusiveMinimum: 5 }, 6],
        [{ type: "integer", maximum: -2 }, -2],
        [{ enum: ["x", "y"] }, "x"],
        [{ type: "string", default: "d" }, "d"],
        [{ const: 7 }, 7],
        [{ type: ["string", "null"] }, ""],
        [{ anyOf: [{ type: "null" }, { $ref: "#/$defs/Node" }] }, { id: "" }],
        [{ allOf: [{ required: ["a"], properties: { a: { type: "boolean" } } }, { required: ["b"], properties: { b: { type: "array" } } }] }, { a: false, b: [] }],
        // Alternatives beside fields: what is required of both.
        [{ type: "object", required: ["n"], properties: { n: { type: "number" } }, oneOf: [{ required: ["by"], properties: { by: { const: "card" } } }, { properties: { by: { const: "bank" } } }] }, { n: 0, by: "card" }],
        [{ properties: { a: { type: "string" } }, anyOf: [{ required: ["a"] }, { required: [] }] }, { a: "" }],
        [{ type: ["integer", "string"] }, 0],
        [{}, null],
      ])
        assert.deepEqual(begin(schema), expected, JSON.stringify(schema));
      assert.doesNotThrow(() => begin({ $ref: "#/$defs/Loop" }), "it ends");
      const nullable = resolve({ anyOf: [{ $ref: "#/$defs/Node" }, { type: "null" }] }, root);
      assert.deepEqual([typeOf(nullable), isNullable(nullable)], ["object", true]);
      // A field that both parts describe keeps to both.
      const both = resolve({ allOf: [{ properties: { a: { type: "string", minLength: 2 } } }, { properties: { a: { pattern: "^x" } } }] }, root);
      const of = resolve(both.properties.a, root);
      assert.deepEqual([of.type, of.minLength, of.pattern], ["string", 2, "^x"]);
      const ways = choicesOf(resolve({ oneOf: [{ title: "A", properties: { k: { const: "a" } } }, { title: "B", properties: { k: { const: "b" } } }] }, root), root);
      assert.deepEqual([bestOf(ways, root, { k: "a" }), bestOf(ways, root, { k: "b" }), bestOf(ways, root, 5)], [0, 1, 0]);
      const sized = choicesOf({ oneOf: [{ type: "object", required: ["a"], properties: { a: {} } }, { type: "object", required: ["a"], properties: { a: {}, b: {} } }] }, root);
      assert.equal(bestOf(sized, root, { a: 1, b: 2 }), 1);
      // Both kinds of alternatives at once are more than a form draws.
      assert.equal(choicesOf({ oneOf: [{}], anyOf: [{}] }, root), null);
      for (const [schema, good, bad] of [
        [{ minimum: 1, maximum: 3 }, 3, 4],
        [{ exclusiveMinimum: 1 }, 1.5, 1],
        [{ minimum: 1, exclusiveMinimum: true }, 2, 1],
        [{ multipleOf: 0.1 }, 0.3, 0.35],
        [{ minLength: 2, maxLength: 3 }, "añ", "a"],
        [{ pattern: "^\\d+$" }, "12", "x"],
        [{ format: "date" }, "2026-11-28", "28.11.2026"],
        [{ format: "email" }, "a@b", "ab"],
        [{ minItems: 1, uniqueItems: true }, [1, 2], [1, 1]],
      ]) {
        assert.equal(wrongOf(schema, good), null, JSON.stringify(schema));
        assert.ok(wrongOf(schema, bad), JSON.stringify(schema));
      }
      // A pattern of another dialect is the server's to judge.
      assert.equal(wrongOf({ pattern: "(?<!x" }, "y"), null);
      assert.deepEqual(limitsOf({ minimum: 1, maximum: 10, multipleOf: 2 }), ["1 to 10", "a multiple of 2"]);
    });
  },

  async "a form of everything says what JSON and the program say, and arrives so"({ browser, server, upstream }) {
    await server.post("/sources", { url: `${upstream.address}/forms.json`, name: "forms", allowPrivate: true });
    const page = await openPage(browser, server);
    await page.goto("/w/local/tools/forms.desk.sendForm?tab=try");
    const field = (name) => page.getByLabel(name, { exact: true });
    // Defaults and what is required stand there.
    assert.equal(await field("kind").locator("option:checked").innerText(), "small");
    assert.equal(await field("wide").inputValue(), "2.5");
    await page.getByText("string, required; 3 to 20 characters").waitFor();
    await field("title").fill("ab");
    await page.getByText(/^✕ 2 characters/).waitFor();
    await field("title").fill("A form");
    await field("kind").selectOption("large");
    await field("high").fill("4");
    await page.getByRole("button", { name: "Give labels" }).click();
    await page.getByRole("button", { name: "Add to labels" }).click();
    await page.getByRole("button", { name: "Add to labels" }).click();
    const labels = page.locator("div", { has: page.getByRole("button", { name: "Remove labels 2" }) }).last();
    await labels.getByRole("combobox").selectOption("blue");
    await page.getByRole("button", { name: "Give count" }).click();
    await field("count").fill("9007199254740993");
    await page.getByRole("button", { name: "Give owner" }).click();
    await field("id").fill("o1");
    await page.getByRole("button", { name: "Give boss" }).click();
    await page.getByLabel("id", { exact: true }).nth(1).fill("o2");
    await page.getByRole("button", { name: "Give note" }).click();
    await page.getByText("string or null").locator("xpath=ancestor::div[2]").getByRole("button", { name: "Set to null" }).click();
    await page.getByRole("button", { name: "Give extra" }).click();
    await page.getByLabel("Name of another field").fill("weight");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await field("weight").fill("12");
    await page.getByRole("button", { name: "Give due" }).click();
    await field("due").fill("2026-12-01");
    await page.getByRole("button", { name: "Give mail" }).click();
    await field("mail").fill("ada@example.com");
    await field("amount").fill("0");
    await page.getByText(/^✕ more than 0/).waitFor();
    await field("amount").fill("12.5");
    await page.getByLabel("Kind of pay").selectOption({ index: 1 });
    // What both alternatives know is kept.
    assert.equal(await field("amount").inputValue(), "12.5");
    await field("iban").fill("DE00");
    await page.getByLabel("Kind of pay").selectOption({ index: 0 });
    await field("number").fill("12");
    await page.getByText(/^✕ does not match/).waitFor();
    await field("number").fill("1234");
    assert.deepEqual(await violations(page), []);
    const expected = {
      title: "A form", kind: "large", pay: { amount: 12.5, by: "card", number: "1234" }, box: { wide: 2.5, high: 4 }, labels: ["red", "blue"],
      owner: { id: "o1", boss: { id: "o2" } }, note: null, extra: { weight: 12 }, due: "2026-12-01", mail: "ada@example.com",
    };
    const without = ({ count: _count, ...rest }) => rest;
    await page.getByRole("button", { name: "JSON", exact: true }).click();
    const json = await page.getByLabel("Arguments as JSON").inputValue();
    assert.deepEqual(without(JSON.parse(json)), expected);
    // The digits of a number that a browser cannot hold are kept.
    assert.match(json, /"count": 9007199254740993\b/);
    // The program is the same text.
    await page.getByRole("button", { name: "TypeScript", exact: true }).click();
    const program = await page.getByRole("region", { name: "The same as a program" }).locator("pre").innerText();
    assert.equal(program.replace(/^return await tools\.forms\.desk\.sendForm\(/, "").replace(/\);\s*$/, ""), json);
    // From JSON back into the form, to the other alternative and the exact number.
    await page.getByRole("button", { name: "JSON", exact: true }).click();
    const changed = json.replace('"by": "card"', '"by": "bank"').replace(/"number": "1234"/, '"iban": "NL11"').replace("9007199254740993", "9007199254740991000");
    await page.getByLabel("Arguments as JSON").fill(changed);
    await page.getByRole("button", { name: "Form", exact: true }).click();
    assert.equal(await page.getByLabel("Kind of pay").inputValue(), "1");
    assert.equal(await field("iban").inputValue(), "NL11");
    assert.equal(await field("count").inputValue(), "9007199254740991000");
    // A call passes through a program, whose numbers end where those of JavaScript do.
    await field("count").fill("42");
    await page.getByRole("button", { name: "Run once" }).click();
    await page.getByRole("region", { name: "Result" }).getByRole("link", { name: "Review" }).click();
    await approveUnlocked(page);
    await page.getByTestId("approve").click();
    await until(() => upstream.writes().length === 1, "the form to arrive");
    const [sent] = upstream.writes();
    assert.deepEqual(without(JSON.parse(sent.body)), { ...expected, pay: { amount: 12.5, by: "bank", iban: "NL11" } });
    assert.match(sent.body, /"count":42\b/);
    assert.deepEqual(page.faults, []);
  },

  async "what policy says to this very call stands under the form, with its rule"({ browser, server }) {
    const large = await server.post("/policies", { effect: "deny", match: { tools: ["shop.items.createItem"], conditions: ["amount > 100"] }, note: "Large ones" });
    await server.post("/policies", { effect: "allow", match: { tools: ["shop.items.createItem"] }, note: "Small ones" });
    const page = await openPage(browser, server);
    await page.goto("/w/local/tools/shop.items.createItem?tab=try");
    const says = page.getByRole("region", { name: "What policy says" });
    await says.getByText(/Policy allows this call/).waitFor();
    await says.getByRole("link", { name: "Small ones" }).first().waitFor();
    await page.getByLabel("amount", { exact: true }).fill("500");
    await says.getByText(/Policy denies this call/).waitFor();
    const rule = says.getByRole("status").getByRole("link", { name: "Large ones" });
    assert.match(await rule.getAttribute("href"), new RegExp(large.id));
    await says.getByText("Why", { exact: true }).click();
    await says.getByText(/matches: /).first().waitFor();
    // Arguments that are refused before are told, too.
    await page.getByRole("button", { name: "JSON", exact: true }).click();
    await page.getByLabel("Arguments as JSON").fill('{ "name": "x", "amount": "many" }');
    await says.getByText(/It would be refused before/).waitFor();
    assert.deepEqual(page.faults, []);
  },

  async "a recorded call is tried again, and policy is asked about it, whatever its length"({ browser, server, upstream }) {
    await server.post("/policies", { effect: "allow", match: { tools: ["shop.items.createItem"] }, note: "go on" });
    const memo = "long ".repeat(1_500);
    const task = await server.submit(`return await tools.shop.items.createItem({ name: "first", amount: 7, memo: ${JSON.stringify(memo)} })`);
    assert.equal((await server.settled(task.id)).status, "completed");
    const page = await openPage(browser, server);
    await page.goto(`/w/local/tasks/${task.id}?tab=call&call=1`);
    await page.getByRole("link", { name: "Try this call" }).click();
    await page.getByRole("link", { name: "call 1 of a task" }).waitFor();
    assert.equal(await page.getByLabel("amount", { exact: true }).inputValue(), "7");
    assert.equal(await page.getByLabel("memo", { exact: true }).inputValue(), memo);
    await page.getByLabel("name", { exact: true }).fill("second");
    await page.getByRole("button", { name: "Run once" }).click();
    await until(() => upstream.writes().length === 2, "the call once more");
    assert.deepEqual(JSON.parse(upstream.writes()[1].body), { name: "second", amount: 7, memo });
    await page.goto(`/w/local/tasks/${task.id}?tab=call&call=1`);
    await page.getByRole("link", { name: "Test policy with this call" }).click();
    const given = page.getByLabel(/Arguments as JSON/);
    await given.waitFor();
    assert.deepEqual(JSON.parse(await given.inputValue()), { name: "first", amount: 7, memo });
    await page.getByRole("button", { name: "Ask policy" }).click();
    await page.getByRole("region", { name: "What policy says" }).getByText("go on").first().waitFor();
    assert.ok(page.url().length < 300, "the address names the call, and holds none of it");
    assert.deepEqual(page.faults, []);
  },
};
