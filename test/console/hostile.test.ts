/** What attacks the console, or the browser: script in data, frames, injected code, very much data. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { until } from '../support/until.js';
import { openPage } from './browser.js';
import { chromiumTests, complaints, looking, row } from './subjects.js';

const inChromium = chromiumTests(test);

const IMAGE = '<img src=x onerror="document.title=\'owned\'">';
const SCRIPTS = [
  IMAGE,
  '<script>document.title="owned"</script>',
  'javascript:document.title="owned"',
  '"><svg onload=document.title="owned">',
];

inChromium('script in ids, keys, values and annotations is text', async (t, browser) => {
  const subject = await looking(t, browser);
  const { page, peer, picture } = subject;
  const value = Object.fromEntries(
    [...SCRIPTS, '__proto__', 'constructor', 'pay\u202Eme'].map((each) => [each, { [each]: [each] }]),
  );
  for (const contextId of SCRIPTS) {
    await peer.set({ contextId, value });
    await peer.set({ contextId, value: { ...value, [contextId]: 1 }, annotations: new Map([['why', IMAGE]]) });
  }
  await page.getByRole('button', { name: 'Read the list again' }).click();
  for (const contextId of SCRIPTS) {
    await page.getByRole('link', { name: contextId, exact: false }).first().click();
    await page.locator('h1', { hasText: contextId }).waitFor();
    await until(async () => (await page.title()) === `${contextId} · Chord`);
    await row(page, '__proto__').first().waitFor();
    await row(page, 'pay\\u202eme').first().waitFor();
    t.is((await page.locator('.tree [role=treeitem]').filter({ hasText: IMAGE }).count()) > 0, true);
    await page.getByRole('link', { name: 'History' }).click();
    await page.locator('.annotation', { hasText: IMAGE }).waitFor();
    await page.getByRole('link', { name: 'Compare', exact: true }).click();
    await page.locator('tr.added').first().waitFor();
    await page.getByRole('link', { name: 'Edit' }).click();
    await page.locator('textarea').waitFor();
  }
  await picture('script');
  t.is(await page.title(), `${SCRIPTS.at(-1)} · Chord`);
  t.is(await page.locator('#app img, #app script').count(), 0);
  t.deepEqual(complaints(subject), []);
});

inChromium('a key and a value that are read from right to left keep their places side by side', async (t, browser) => {
  const [key, text] = ['שלום', 'עולם'];
  const { page, peer } = await looking(t, browser);
  await peer.set({ contextId: 'room:2', value: { [key]: 'world' } });
  await peer.set({ contextId: 'room:2', value: { [key]: text } });
  await page.goto(page.url().replace(/#.*|$/, '#id=room:2&tab=compare'));
  await page.locator('tr.changed').waitFor();
  const left = (part: string) =>
    page.evaluate(`(() => {
    const texts = document.createTreeWalker(document.querySelector('tr.changed .right'), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const start = texts.currentNode.data.indexOf('${part}');
      if (start < 0) continue;
      const range = document.createRange();
      range.setStart(texts.currentNode, start);
      range.setEnd(texts.currentNode, start + ${part.length});
      return range.getBoundingClientRect().left;
    }
  })()`) as Promise<number>;
  t.true((await left(key)) < (await left(text)));
});

inChromium(
  'injected script and style do not run, and no other page shows the console in a frame',
  async (t, browser) => {
    const { page, chord, printed } = await looking(t, browser);
    await page.locator('.list .rows a').waitFor();
    await page.evaluate(`for (const [name, text] of [['script', 'document.title = "owned"'], ['style', 'body { display: none }']]) {
    const element = document.createElement(name);
    element.textContent = text;
    document.body.append(element);
  }
  document.body.insertAdjacentHTML('beforeend', '<b onclick="document.title = 1" id="b">b</b>');
  document.getElementById('b').click();`);
    await t.throwsAsync(page.evaluate('fetch("http://127.0.0.1:1/")'));
    t.is(await page.title(), 'Chord');
    t.is(await page.evaluate('getComputedStyle(document.body).display'), 'block');
    t.true(printed.filter((line) => line.includes('Content Security Policy')).length >= 4, printed.join('\n'));

    const foreign = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<iframe src="http://${chord.webAddress}/"></iframe>`);
    }).listen(0, '127.0.0.1');
    await once(foreign, 'listening');
    t.teardown(() => foreign.close());
    const { port } = foreign.address() as AddressInfo;
    const framing = await openPage(t, browser, `http://127.0.0.1:${port}/`);
    t.true(
      framing.printed.some((line) => line.includes('frame-ancestors')),
      framing.printed.join('\n'),
    );
    t.is(await framing.page.frames()[1]!.locator('#app').count(), 0);
  },
);

inChromium(
  'a list of 800,000 elements, as large as a server keeps one, is opened to any of them',
  async (t, browser) => {
    const limits = { maxDocumentBytes: 4 * 2 ** 20 - 65_536, maxRequestMembers: 4_000_000 };
    const subject = await looking(t, browser, '', {}, limits);
    const { page, chord, picture } = subject;
    await chord.contexts.set('large', { list: new Array(800_000).fill(null) });
    await page.goto(`http://${chord.webAddress}/#id=large`);
    await row(page, 'list').click();
    await row(page, '500000 … 509999').click();
    await row(page, '505000 … 505099').click();
    await row(page, '505050: null').waitFor();
    t.true((await page.locator('[role=treeitem]').count()) < 400);
    await picture('million');
    await chord.contexts.update('large', { changes: { seen: true } });
    await row(page, 'seen: true').waitFor();
    await row(page, '505050: null').waitFor();
    await page.getByRole('link', { name: 'Edit' }).click();
    await page.getByText('too large to edit here').waitFor();
    t.deepEqual(complaints(subject), []);
  },
);

/** `make prove` has more. */
const CONTEXTS = Number(process.env.CHORD_CONTEXTS ?? 25_000);

inChromium('more contexts than one search reads, and as many keys as a document takes', async (t, browser) => {
  const limits = { maxDocumentBytes: 4 * 2 ** 20 - 65_536, maxRequestMembers: 4_000_000 };
  const subject = await looking(t, browser, '', {}, limits);
  const { page, chord, peer, picture } = subject;
  const id = (i: number) => `item:${String(i).padStart(6, '0')}`;
  for (let i = 0; i < CONTEXTS; i += 1000) {
    await Promise.all(Array.from({ length: 1000 }, (_, j) => chord.contexts.set(id(i + j), {})));
  }
  const key = (i: number) => `k${i.toString(36).padStart(4, '0')}`;
  await chord.contexts.set('keys', Object.fromEntries(Array.from({ length: 240_000 }, (_, i) => [key(i), null])));
  await page.getByLabel('Contains').fill(id(CONTEXTS - 1).slice(1));
  for (let at = 1; at * 20_000 < CONTEXTS; at++) {
    await page.getByText(`${at === 1 ? '' : `page ${at}, `}0 of 20,000 read, more to search`).waitFor();
    // Once, however often: the page that is being read is not known yet.
    await page.getByRole('button', { name: 'Next page' }).dblclick();
  }
  await page.getByText(`page ${Math.ceil(CONTEXTS / 20_000)}, 1 of`).waitFor();
  await picture('search');
  await page.getByLabel('Contains').fill('');
  await page.getByLabel('Prefix').fill('item:0199');
  await page.getByText('page 1, 100 contexts').waitFor();
  await page.goto(`http://${chord.webAddress}/#id=keys`);
  await row(page, `${key(230_000)} … ${key(239_999)}`).click();
  await row(page, `${key(239_900)} … ${key(239_999)}`).click();
  const last = key(239_999);
  await row(page, `${last}: null`).waitFor();
  await peer.update({ contextId: 'keys', changes: { [last]: -1 } });
  await page.locator('.row.changed', { hasText: `${last}: -1` }).waitFor();
  t.true((await page.locator('[role=treeitem]').count()) < 400);
  t.deepEqual(complaints(subject), []);
});
