// Looks at HTML pages in a headless browser: axe, what is wider than the page, what Tab reaches, screenshots.
//
//   node look_at_page.mjs PAGE.html [--shots FOLDER] [--modules FOLDER] [--browser /usr/bin/chromium]
//
// Prints JSON: one entry a combination of width (1280, 390) and colour scheme (light, dark). The exit code is 1 if axe
// finds anything, the page is wider than the window, asks the network for something, logs an error, or holds something
// that scrolls and can't be reached by Tab. axe-core and playwright-core are looked for in the folder --modules (or
// AXE_MODULES), which is where `npm install axe-core playwright-core` was run; no browser is downloaded.
import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { values: options, positionals: [page] } = parseArgs({
  allowPositionals: true,
  options: {
    shots: { type: "string" },
    modules: { type: "string", default: process.env.AXE_MODULES ?? "." },
    browser: { type: "string", default: process.env.CHROMIUM ?? "/usr/bin/chromium" },
  },
});
const require = createRequire(resolve(options.modules, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core"), "utf8");

const browser = await chromium.launch({ executablePath: options.browser, args: ["--no-sandbox"] });
const found = [];
for (const width of [1280, 390]) {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ colorScheme, viewport: { width, height: 844 }, deviceScaleFactor: 1 });
    const tab = await context.newPage();
    const errors = [], requests = [];
    tab.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    tab.on("pageerror", (error) => errors.push(String(error)));
    tab.on("request", (request) => /^https?:/.test(request.url()) && requests.push(request.url()));
    await tab.goto(pathToFileURL(resolve(page)).href);
    if (options.shots) {
      mkdirSync(options.shots, { recursive: true });
      const name = `${basename(page, ".html")}-${width}-${colorScheme}.png`;
      await tab.screenshot({ path: join(options.shots, name), fullPage: true });
    }
    await tab.evaluate(() => document.querySelectorAll("details").forEach((part) => (part.open = true)));
    await tab.evaluate(axe);
    const { violations, incomplete, passes } = await tab.evaluate(() => globalThis.axe.run());
    const brief = (rules) =>
      rules.map(({ id, impact, help, nodes }) => ({
        id, impact, help, count: nodes.length, first: nodes[0].html.slice(0, 200), why: nodes[0].failureSummary,
      }));
    const layout = await tab.evaluate(() => {
      const scrolls = [...document.querySelectorAll("body *")].filter(
        (part) => part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).overflowX === "auto");
      return {
        pageWidth: document.documentElement.scrollWidth,
        scrolling: scrolls.length,
        unreachable: scrolls.filter((part) => part.tabIndex < 0).map((part) => part.outerHTML.slice(0, 200)),
        smallestText: Math.min(...[...document.querySelectorAll("svg text")].map((text) => {
          const { a, d } = text.getScreenCTM();
          return parseFloat(getComputedStyle(text).fontSize) * Math.min(Math.abs(a) || 99, Math.abs(d) || 99);
        })),
      };
    });
    await tab.evaluate(() => document.querySelectorAll("details").forEach((part) => (part.open = false)));
    const reached = [];
    for (;;) {
      await tab.keyboard.press("Tab");
      const stop = await tab.evaluate(() => {
        const part = document.activeElement;
        if (!part || part === document.body || part.dataset.seen) return null;
        part.dataset.seen = "yes";
        const { outlineStyle, outlineWidth } = getComputedStyle(part);
        return {
          what: `${part.localName}: ${(part.ariaLabel ?? part.textContent).trim().slice(0, 60)}`,
          top: part.getBoundingClientRect().top + scrollY,
          visible: outlineStyle !== "none" && parseFloat(outlineWidth) > 0,
        };
      });
      if (!stop) break;
      reached.push(stop);
    }
    found.push({
      width, colorScheme, passes: passes.length, violations: brief(violations), incomplete: brief(incomplete), ...layout,
      errors, requests,
      tabStops: reached.map(({ what }) => what),
      unmarkedStops: reached.filter(({ visible }) => !visible).map(({ what }) => what),
      outOfOrder: reached.filter(({ top }, at) => at > 0 && top < reached[at - 1].top - 40).map(({ what }) => what),
    });
    await context.close();
  }
}
await browser.close();
console.log(JSON.stringify(found, null, 1));
const bad = found.some((of) => of.violations.length || of.pageWidth > of.width || of.errors.length || of.requests.length
  || of.unreachable.length || of.unmarkedStops.length || of.outOfOrder.length);
process.exit(bad ? 1 : 0);
