// A fresh program: from the first page to a result by way of the inbox.
import assert from "node:assert/strict";
import { approveUnlocked, openPage } from "../lib/browser.mjs";

export const fresh = true;

export default {
  async "welcome, sample, approval, result"({ browser, server }) {
    const page = await openPage(browser, server);
    await page.goto("/");
    await page.waitForURL("**/welcome");
    await page.getByRole("button", { name: "Run the first program" }).click();
    await page.waitForURL("**/tasks/task_*");
    const review = page.locator("#main").getByRole("link", { name: /Review/ });
    await review.waitFor();
    await page.getByRole("button", { name: /Call .*payments\.create\s*, waiting/ }).waitFor();
    await review.click();
    await page.waitForURL("**/approvals/appr_*");
    await page.getByText('"acc_travel"').first().waitFor();
    // The line of the program that makes the call is marked.
    await page.getByText("tools.ledger.payments.create").first().waitFor();
    await approveUnlocked(page);
    await page.getByTestId("approve").click();
    const [task] = (await server.get("/tasks")).items;
    const done = await server.settled(task.id);
    assert.equal(done.status, "completed");
    // With nothing left to decide, the card says what came of it and leads to the result.
    const outcome = page.getByTestId("outcome");
    await outcome.getByText("The call then:").getByText("ok").waitFor();
    await outcome.getByRole("link", { name: "open its task" }).click();
    await page.waitForURL(`**/tasks/${task.id}`);
    await page.getByText("travelBalance").first().waitFor();
    assert.deepEqual(page.faults, []);
    // It is no fresh program any more.
    await page.goto("/");
    await page.waitForURL(/\/w\/[^/]+$/);
  },
};
