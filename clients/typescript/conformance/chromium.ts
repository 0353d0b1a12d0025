/** The driver of the conformance suite for this client in Chromium: hands each line to a page that holds the client. */
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { chromium, type Page } from 'playwright-core';

/** The origin of the page, which servers of the suite allow. Nothing is served there: the page is made here. */
const ORIGIN = 'http://driver.localhost';
const [, , executablePath = '/usr/bin/chromium'] = process.argv;

const entry = new URL('page.ts', import.meta.url).pathname;
const options = { bundle: true, format: 'iife', platform: 'browser', target: 'es2022', write: false } as const;
const [{ outputFiles }, browser] = await Promise.all([
  build({ ...options, entryPoints: [entry] }),
  // Its sandbox does not work for root. A page without a server counts as one of the internet, which must not ask this machine.
  chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-features=LocalNetworkAccessChecks'] }),
]);
let page = await openPage();

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${(await renewed(line)) ?? (await page.evaluate(`answer(${JSON.stringify(line)})`))}\n`);
}
await browser.close();
process.exit();

/** In a context of its own: its connections are shared with no other page. */
async function openPage(): Promise<Page> {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on('console', (message) => process.stderr.write(`${message.text()}\n`));
  await page.route(`${ORIGIN}/`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
  await page.goto(`${ORIGIN}/`);
  await page.addScriptTag({ content: outputFiles[0]!.text });
  return page;
}

/** Answers the op `renew`, with another page. */
async function renewed(line: string): Promise<string | undefined> {
  const { id, op } = JSON.parse(line);
  if (op !== 'renew') return undefined;
  await page.context().close();
  page = await openPage();
  return JSON.stringify({ id, ok: {} });
}
