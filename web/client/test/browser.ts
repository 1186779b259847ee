// A real browser that tests/web/test_browser_client.py drives: one command as a line of JSON, one answer for each.
//
//   node browser.js <chromium> <profile> [flag …]
//
// It knows pages by a name of the test's, and nothing of what is tested.

import { createInterface } from "node:readline";

import { chromium, type BrowserContext, type Page } from "playwright-core";

interface Command {
  readonly id: number;
  readonly do: string;
  readonly page: string;
  readonly arg?: any;
}

const [executablePath = "", profile = "", ...flags] = process.argv.slice(2);
const pages = new Map<string, Page>();
const faults: string[] = [];

async function launched(): Promise<BrowserContext> {
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", ...flags];
  const context = await chromium.launchPersistentContext(profile, { executablePath, args, headless: true });
  context.on("page", (page) => page.on("pageerror", (error) => faults.push(String(error.stack ?? error))));
  return context;
}

const context = await launched();

const verbs: Record<string, (page: Page, arg: any, name: string) => Promise<unknown>> = {
  async open(_, arg, name) {
    const page = await context.newPage();
    pages.set(name, page);
    if (arg.before) await page.addInitScript(arg.before);
    await page.goto(arg.url, { timeout: 15_000 });
  },
  eval: (page, arg) => page.evaluate(arg),
  // Polled, and not by frames, which a page in the background may not get.
  until: async (page, arg) => void (await page.waitForFunction(arg, null, { timeout: 20_000, polling: 20 })),
  reload: async (page) => void (await page.reload()),
  goto: async (page, arg) => void (await page.goto(arg)),
  back: async (page) => void (await page.goBack()),
  async close(page, _, name) {
    await page.close({ runBeforeUnload: false });
    pages.delete(name);
  },
  async cdp(page, arg) {
    const session = await context.newCDPSession(page);
    return await session.send(arg.method, arg.params);
  },
  async counts(page) {
    const session = await context.newCDPSession(page);
    await session.send("Performance.enable");
    return await session.send("Performance.getMetrics");
  },
  has: async (page) => page !== undefined,
  faults: async () => faults.splice(0),
};

async function answer(line: string): Promise<void> {
  const { id, do: verb, page, arg } = JSON.parse(line) as Command;
  let told: object;
  try {
    told = { value: (await verbs[verb]!(pages.get(page)!, arg, page)) ?? null };
  } catch (error) {
    told = { error: error instanceof Error ? error.message : String(error) };
  }
  process.stdout.write(`${JSON.stringify({ id, ...told })}\n`);
}

process.stdout.write(`${JSON.stringify({ id: 0, value: context.browser()?.version() ?? "" })}\n`);
for await (const line of createInterface({ input: process.stdin })) void answer(line);
await context.close();
