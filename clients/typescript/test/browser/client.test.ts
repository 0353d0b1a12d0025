/** The client in a browser: what a stream delivers over crashes, sleep and a lost network, and tokens that change. */
import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import type { Page } from 'playwright-core';
import type { ChordError, Client, ClientOptions, Watch } from '../../src/web.js';
import { connected } from '../support/server.js';
import { browserTests, type Stage } from './chromium.js';

/** On the page. */
declare global {
  var chord: typeof import('../../src/web.js');
  var client: Client;
  var watch: Watch;
  /** Of the watch: events, and why it was disconnected. */
  var seen: string[];
  var currentToken: () => Promise<string>;
}

const inBrowser = browserTests(test, '.', ['harness.ts']);
const DOCUMENT = { n: 1, rest: 'long enough that a delta is smaller than the document' };

/** A page that watches `a`, and notes what it gets. */
async function watching(
  { open, server }: Pick<Stage, 'open' | 'server'>,
  { asks = false, ...options }: ClientOptions & { readonly asks?: boolean } = {},
): Promise<Page> {
  const page = await open('harness.html');
  await page.waitForFunction(() => globalThis.chord !== undefined);
  await page.evaluate(
    ([address, more, asksForTokens]) => {
      const token = () => currentToken();
      globalThis.client = chord.connect(address, { ...more, ...(asksForTokens && { token }) });
      globalThis.seen = [];
      const onDisconnect = ({ reason }: ChordError) => seen.push(`disconnected ${reason}`);
      globalThis.watch = client.watch(['a'], { onDisconnect });
      void (async () => {
        for await (const event of watch) {
          if (event.type === 'delta') seen.push(`delta ${event.from.version} to ${event.to.version}`);
          else seen.push(event.type === 'full' ? `full ${event.position.version}` : event.type);
        }
      })().catch((error) => seen.push(`ended ${error.reason}`));
    },
    [server.webAddress, options, asks] as const,
  );
  return page;
}

/** Until the watch has noted something so often. */
async function noted(page: Page, what: string, times = 1): Promise<string[]> {
  const enough = ([text, count]: [string, number]) => seen.filter((each) => each.startsWith(text)).length >= count;
  await page.waitForFunction(enough, [what, times] as [string, number], { polling: 20 });
  return page.evaluate(() => [...seen]);
}

inBrowser(
  'a server is killed under a watch: the page resumes by one delta, and gets no document again',
  async (t, stage) => {
    const peer = connected(t, stage.server);
    await peer.set('a', DOCUMENT);
    const page = await watching(stage);
    await noted(page, 'caughtUp');
    await stage.server.stop('SIGKILL');
    await noted(page, 'disconnected');
    await stage.server.start();
    for (const n of [2, 3]) await peer.update('a', { changes: { n } }, { deadline: 60_000 });
    await noted(page, 'caughtUp', 2);
    await page.waitForFunction(() => seen.some((each) => each.endsWith('to 3')));
    const events = await page.evaluate(() =>
      seen.filter((each) => each.startsWith('full') || each.startsWith('delta')),
    );
    t.is(events[0], 'full 1');
    t.false(events.slice(1).some((each) => each.startsWith('full')));
    t.true(
      [['delta 1 to 3'], ['delta 1 to 2', 'delta 2 to 3']].some((way) => `${way}` === `${events.slice(1)}`),
      `${events}`,
    );
  },
);

for (const wake of ['the network is back', 'the page is shown']) {
  inBrowser(`${wake}: a watch that waits for long tries at once`, async (t, stage) => {
    const peer = connected(t, stage.server);
    await peer.set('a', DOCUMENT);
    // Without the wake it would wait for ten minutes.
    const page = await watching(stage, { retry: { backoffMin: 600_000, backoffMax: 600_000 } });
    await noted(page, 'caughtUp');
    if (wake === 'the network is back') await page.context().setOffline(true);
    await stage.server.stop('SIGKILL');
    await noted(page, 'disconnected UNAVAILABLE');
    await stage.server.start();
    await peer.update('a', { changes: { n: 2 } }, { deadline: 60_000 });
    if (wake === 'the network is back') await page.context().setOffline(false);
    else await page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`); // headless pages are visible
    t.deepEqual(await noted(page, 'caughtUp', 2), [
      'full 1',
      'caughtUp',
      'disconnected UNAVAILABLE',
      'delta 1 to 2',
      'caughtUp',
    ]);
  });
}

inBrowser(
  'a page that stops reading gets one merged delta: the browser does not read ahead for it',
  async (t, stage) => {
    const peer = connected(t, stage.server);
    await peer.set('a', { n: 0 });
    const page = await stage.open('harness.html');
    await page.waitForFunction(() => globalThis.chord !== undefined);
    await page.evaluate(async (address) => {
      globalThis.client = chord.connect(address);
      globalThis.watch = client.watch(['a']);
      while ((await watch.next()).value!.type !== 'caughtUp');
    }, stage.server.webAddress);
    // More than sockets hold, and less than Chromium would keep: 64 MiB.
    const writes = 20;
    for (let n = 1; n <= writes; n++)
      await peer.update('a', { changes: { text: 'abcdefghijklmnopqrstu'[n]!.repeat(2e6) } });
    const events = await page.evaluate(async (last) => {
      for (let count = 1; ; count++) {
        const { value } = await watch.next();
        if (value?.type === 'delta' && value.to.version === last) return count;
        if (value?.type === 'full' && value.position.version === last) return count;
      }
    }, writes + 1);
    t.true(events < writes / 2, `${events} events for ${writes} writes`);
  },
);

const folder = mkdtempSync(join(tmpdir(), 'chord-tokens-'));
test.after.always(() => rm(folder, { recursive: true }));
const tokens = join(folder, 'tokens');
const rules = join(folder, 'rules.json');
writeFileSync(
  rules,
  JSON.stringify({ identities: { '*': { grants: [{ prefix: '', rights: ['read', 'write', 'watch'] }] } } }),
);

/** A token that the server takes, and no other from then on. */
async function newToken(): Promise<string> {
  const root = fileURLToPath(new URL('../../../..', import.meta.url));
  const args = ['dist/main.js', 'token', 'new', 'ann'];
  const secret = join(folder, 'secret');
  await promisify(execFile)(process.execPath, [...args, '--file', `${tokens}.new`, '--secret-file', secret], {
    cwd: root,
  });
  const token = (await readFile(secret, 'utf8')).trim();
  await rm(secret);
  await rename(`${tokens}.new`, tokens);
  return token;
}

let current: string;
test.before(async () => {
  current = await newToken();
});

inBrowser(
  'a token expires under a watch: the page asks for another one, and goes on by deltas',
  async (t, stage) => {
    let asked = 0;
    const giveToken = () => {
      asked++;
      return current;
    };
    const open: Stage['open'] = (path) => stage.open(path, (page) => page.exposeFunction('currentToken', giveToken));
    await connected(t, stage.server, { token: current }).set('a', DOCUMENT);
    const page = await watching({ open, server: stage.server }, { asks: true });
    await noted(page, 'caughtUp');
    t.is(asked, 1);
    current = await newToken();
    await noted(page, 'disconnected UNAUTHENTICATED');
    await noted(page, 'caughtUp', 2);
    await page.evaluate(() => client.update('a', { changes: { n: 2 } }));
    const seen = await noted(page, 'delta');
    t.deepEqual(seen, ['full 1', 'caughtUp', 'disconnected UNAUTHENTICATED', 'caughtUp', 'delta 1 to 2']);
    t.is(asked, 3, 'for two streams and a call');
  },
  '--auth-tokens',
  tokens,
  '--auth-rules',
  rules,
);
