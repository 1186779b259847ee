// A browser that does what it is told, line by line: one JSON command on standard input, one JSON answer on standard
// output. What is told, and what is expected, stands in the tests (tests/web). It knows nothing of the console.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: ["--host-resolver-rules=MAP far.test 127.0.0.1", "--no-sandbox", "--disable-dev-shm-usage", "--enable-precise-memory-info", "--js-flags=--expose-gc"],
});
const contexts = new Map();
const tabs = new Map();
let number = 0;

const COMMANDS = {
  context: async ({ name, options }) => void contexts.set(name, await browser.newContext(options)),
  leave: async ({ name }) => {
    await contexts.get(name).close();
    contexts.delete(name);
  },
  tab: async ({ context, url, before }) => {
    const page = await contexts.get(context).newPage();
    const tab = { page, errors: [], foreign: [], requests: 0 };
    page.setDefaultTimeout(15000);
    page.on("pageerror", (error) => tab.errors.push(String(error.stack ?? error)));
    page.on("console", (message) => message.type() === "error" && tab.errors.push(message.text()));
    page.on("request", (request) => {
      tab.requests += 1;
      const own = new URL(request.url());
      if (!["data:", "blob:"].includes(own.protocol) && own.origin !== new URL(url).origin) tab.foreign.push(request.url());
    });
    if (before) await page.addInitScript(before);
    number += 1;
    tabs.set(number, tab);
    await page.goto(url, { waitUntil: "commit" });
    return number;
  },
  goto: async ({ tab, url }) => void (await page(tab).goto(url, { waitUntil: "commit" })),
  reload: async ({ tab }) => void (await page(tab).reload({ waitUntil: "commit" })),
  front: async ({ tab }) => void (await page(tab).bringToFront()),
  close: async ({ tab }) => {
    await page(tab).close();
    tabs.delete(tab);
  },
  deny: async ({ tab, at }) => void (await page(tab).route(at, (route) => route.fulfill({ status: 404 }))),
  run: async ({ tab, script, value }) => await page(tab).evaluate(asked(script), value),
  until: async ({ tab, script, value, timeout }) => {
    const over = Date.now() + (timeout ?? 15000);
    for (;;) {
      // A page on its way to another address has no answer yet.
      const told = await page(tab).evaluate(asked(script), value).catch(() => null);
      if (told) return told;
      if (Date.now() > over) {
        const shown = await page(tab).evaluate("document.body.innerText.slice(0, 600)").catch(String);
        const { errors } = tabs.get(tab);
        throw new Error(`not true in ${timeout ?? 15000} ms: ${JSON.stringify({ value, errors, shown })}`);
      }
      await new Promise((done) => setTimeout(done, 30));
    }
  },
  click: async ({ tab, at }) => void (await page(tab).locator(at).first().click()),
  fill: async ({ tab, at, text }) => void (await page(tab).locator(at).first().fill(text)),
  choose: async ({ tab, at, value }) => void (await page(tab).locator(at).first().selectOption(value)),
  press: async ({ tab, key }) => void (await page(tab).keyboard.press(key)),
  wheel: async ({ tab, at, y }) => {
    await page(tab).locator(at).first().hover();
    await page(tab).mouse.wheel(0, y);
  },
  file: async ({ tab, at, path }) => void (await page(tab).locator(at).first().setInputFiles(path)),
  saved: async ({ tab, at }) => {
    const [download] = await Promise.all([page(tab).waitForEvent("download"), page(tab).locator(at).first().click()]);
    return readFileSync(await download.path(), "utf8");
  },
  size: async ({ tab, width, height }) => void (await page(tab).setViewportSize({ width, height })),
  shot: async ({ tab, path }) => void (await page(tab).screenshot({ path })),
  cdp: async ({ tab, method, params }) => {
    const told = tabs.get(tab);
    told.session ??= await page(tab).context().newCDPSession(page(tab));
    return await told.session.send(method, params ?? {});
  },
  watch: async ({ tab }) => void (await browser.startTracing(page(tab), { categories: ["toplevel", "__metadata"] })),
  watched: async () => {
    // Processor time of each task of the page's main thread, in ms: what other work there is on the machine is not in it.
    const { traceEvents } = JSON.parse(String(await browser.stopTracing()));
    const mains = traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
    const threads = new Set(mains.map(({ pid, tid }) => `${pid} ${tid}`));
    const tasks = traceEvents.filter(({ name, ph, pid, tid }) => ph === "X" && name.endsWith("RunTask") && threads.has(`${pid} ${tid}`));
    return tasks.map(({ tdur }) => (tdur ?? 0) / 1000).filter((ms) => ms >= 5).sort((one, other) => other - one);
  },
  axe: async ({ tab }) => {
    // Through the browser's own door: the policy of the page lets no script in.
    await page(tab).evaluate(readFileSync(AXE, "utf8"));
    const { violations } = await page(tab).evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    return violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      nodes: nodes.slice(0, 5).map(({ target, failureSummary }) => `${target.join(" ")}: ${failureSummary}`),
    }));
  },
  heard: async ({ tab }) => {
    const { errors, foreign, requests } = tabs.get(tab);
    return { errors, foreign, requests };
  },
};

function page(tab) {
  return tabs.get(tab).page;
}

/** A script is the body of a function of `value`. */
function asked(script) {
  return new Function("value", `return (async () => { ${script} })()`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, ...told } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await COMMANDS[what](told)) ?? null };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
