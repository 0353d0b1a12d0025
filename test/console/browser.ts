/** Pages in a real Chromium (Debian's package), which keeps what they print: a test fails where a page complains. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const PATH = process.env.CHORD_TEST_CHROMIUM ?? '/usr/bin/chromium';
/** Pictures of the last run, for those who look. */
const PICTURES = fileURLToPath(new URL('../../.tools/screenshots/', import.meta.url));

export const hasChromium = existsSync(PATH);

export function openBrowser(): Promise<Browser> {
  mkdirSync(PICTURES, { recursive: true });
  // Chromium's sandbox does not work for root; the pages are the console alone.
  return chromium.launch({ executablePath: PATH, args: ['--no-sandbox', '--force-color-profile=srgb'] });
}

export interface Opened {
  readonly page: Page;
  /** What the page has printed to its console, and errors that it has not caught. */
  readonly printed: string[];
  picture(name: string): Promise<void>;
}

export async function openPage(
  t: ExecutionContext,
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
): Promise<Opened> {
  const size = { width: 1280, height: 800 };
  const context = await browser.newContext({ viewport: size, colorScheme: 'light', ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const printed: string[] = [];
  page.on('console', (message) => printed.push(message.text()));
  page.on('pageerror', (error) => printed.push(String(error)));
  t.teardown(() => context.close());
  await page.goto(address);
  return {
    page,
    printed,
    picture: async (name) => void (await page.screenshot({ path: join(PICTURES, `console-${name}.png`) })),
  };
}
