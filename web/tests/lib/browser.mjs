// The browser: pages that remember what must not happen on any of them.
import { chromium } from "playwright-core";
import { PATIENCE_MS } from "./server.mjs";

const PATH = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";

export async function startBrowser({ args = [] } = {}) {
  return chromium.launch({
    executablePath: PATH,
    args: [...args, "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  });
}

/**
 * A page of a browser profile of its own. `faults` holds violations of the page's policy, errors of
 * scripts and requests to anywhere else.
 */
export async function openPage(browser, server, { width = 1440, height = 900, theme = "light", ...more } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: "reduce", baseURL: server.address, ...more });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !/status of (401|403|404|409|410|422)/.test(text)) faults.push(`console: ${text}`);
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(server.address) && !url.startsWith("blob:")) faults.push(`request to ${url}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  page.faults = faults;
  return page;
}

/**
 * Puts a program in the place of what the editor holds. Emptied first: a browser that replaces marked
 * text keeps its style in an attribute, which the page's policy forbids and the console tells.
 */
export async function writeProgram(page, code) {
  await page.locator(".cm-content").click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(code);
}

/** Approve is open: everything was shown and the guard is over. */
export async function approveUnlocked(page) {
  await page.waitForFunction(() => {
    const button = document.querySelector("[data-testid=approve]");
    return button && button.getAttribute("aria-disabled") !== "true";
  });
  await guardOver(page);
}

/** The guard holds for 400 ms by the page's own clock. */
export async function guardOver(page) {
  const start = await page.evaluate(() => performance.now());
  await page.waitForFunction((from) => performance.now() - from > 450, start);
}
