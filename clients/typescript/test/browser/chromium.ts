/** Pages in a real, headless Chromium (Debian's package). Pictures of the last run are in .tools/screenshots. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext, TestFn } from 'ava';
import { type Browser, chromium, type Page } from 'playwright-core';
import { type ServedPages, servePages } from '../../examples/serve-web.js';
import { type Server, startServer } from '../support/server.js';

const PATH = process.env.CHORD_TEST_CHROMIUM ?? '/usr/bin/chromium';
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** What a test begins with: a browser, pages, and a server with a web port that allows them. */
export interface Stage {
  readonly server: Server;
  readonly pages: ServedPages;
  readonly browser: Browser;
  /** In a profile of its own. The test fails where the page throws. @param prepare is called before the page loads */
  open(path: string, prepare?: (page: Page) => Promise<unknown>): Promise<Page>;
}

type StageTest = (t: ExecutionContext, stage: Stage) => Promise<void>;

/** Tests with a browser. Where there is none they are skipped, and one line says so. */
export function browserTests(test: TestFn, folder: string, entries: readonly string[]) {
  if (!existsSync(PATH)) console.warn(`left out, for there is no ${PATH}: the tests in a browser`);
  const define = existsSync(PATH) ? test : test.skip;
  let browser: Browser;
  let pages: ServedPages;
  if (define === test)
    test.before(async () => {
      pages = await servePages(here(folder), entries, 0);
      // Its sandbox does not work for root; the pages are ours.
      browser = await chromium.launch({ executablePath: PATH, args: ['--no-sandbox'] });
    });
  test.after.always(async () => {
    await browser?.close();
    await pages?.close();
  });
  return (title: string, run: StageTest, ...settings: string[]) =>
    define(title, async (t) => {
      const web = ['--web-listen', '127.0.0.1:0', '--web-origins', pages.origin];
      const server = await startServer(t, ...web, ...settings);
      const open: Stage['open'] = async (path, prepare) => {
        const context = await browser.newContext();
        context.setDefaultTimeout(30_000);
        t.teardown(() => context.close());
        const page = await context.newPage();
        page.on('pageerror', (error) => t.fail(String(error)));
        await prepare?.(page);
        await page.goto(`${pages.origin}/${path}`);
        return page;
      };
      await run(t, { server, pages, browser, open });
    });
}

/** Keeps a picture of the page. */
export async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: here(`../../../../.tools/screenshots/${name}.png`) });
}
