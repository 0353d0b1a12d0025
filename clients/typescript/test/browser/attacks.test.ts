/** Attacks on a server's web port by pages in a browser that reaches it. Each must leave the document as it is, and unread. */
import test, { type ExecutionContext } from 'ava';
import type { Page, Request } from 'playwright-core';
import { startHttpPeer } from '../support/http-peer.js';
import { connected } from '../support/server.js';
import { browserTests, type Stage } from './chromium.js';

const inBrowser = browserTests(test, '.', ['harness.ts']);
const SERVICE = 'chord.v1.ContextService';
const GET = `${SERVICE}/GetContext?connect=v1&encoding=json&message=${encodeURIComponent('{"contextId":"a"}')}`;
const WRITE = '{"contextId":"a","value":{"stolen":true}}';
const SECRET = 'what no other page may read';

interface Target {
  /** What the browser let through of the server's answers to the page: `POST 403`. */
  readonly answers: string[];
  readonly page: Page;
  /** @param count requests that must be over before */
  unchanged(count: number): Promise<void>;
}

/** A document, and a page of this address that attacks it. */
async function target(t: ExecutionContext, { open, server }: Stage, address: string): Promise<Target> {
  const peer = connected(t, server);
  await peer.set('a', { secret: SECRET });
  const answers: string[] = [];
  const page = await open('harness.html');
  page.on('response', (response) => {
    if (response.url().includes(SERVICE)) answers.push(`${response.request().method()} ${response.status()}`);
  });
  let over = 0;
  let tell = () => {};
  const note = (request: Request) => {
    if (request.url().includes(SERVICE)) over++;
    tell();
  };
  page.on('requestfinished', note).on('requestfailed', note);
  await page.goto(address);
  const unchanged = async (count: number) => {
    while (over < count) {
      await new Promise<void>((resolve) => {
        tell = resolve;
      });
    }
    t.like(await peer.get('a'), { value: { secret: SECRET }, position: { version: 1 } });
  };
  return { answers, page, unchanged };
}

/** A page that the server has not allowed, on a port of the same machine: there the browser itself stops nothing. */
function foreignPage(t: ExecutionContext, html = '<p>Win a prize</p>'): Promise<string> {
  return startHttpPeer(t, (_, response) => void response.setHeader('content-type', 'text/html').end(html));
}

inBrowser('a page of a foreign origin can neither read nor write by fetch, with CORS or without', async (t, stage) => {
  const { page, answers, unchanged } = await target(t, stage, await foreignPage(t));
  const read = await page.evaluate(
    async ([get, set, body]) => {
      const json = { 'content-type': 'application/json' };
      const tries: [string, RequestInit][] = [
        [get, {}],
        [get, { mode: 'no-cors' }],
        [set, { method: 'POST', headers: json, body }],
        [set, { method: 'POST', body }], // text/plain, without a preflight
        [set, { method: 'POST', body, mode: 'no-cors' }],
        [set, { method: 'POST', body: new URLSearchParams([[body, '']]), mode: 'no-cors' }],
      ];
      const texts = [];
      for (const [url, init] of tries) {
        texts.push(
          await fetch(url, init)
            .then((answer) => answer.text())
            .catch(() => 'refused'),
        );
      }
      (globalThis as unknown as { navigator: { sendBeacon(url: string, body: string): void } }).navigator.sendBeacon(
        set,
        body,
      );
      return texts;
    },
    [`${stage.server.webAddress}/${GET}`, `${stage.server.webAddress}/${SERVICE}/SetContext`, WRITE] as const,
  );
  t.deepEqual(
    read.filter((text) => text !== 'refused' && text !== ''),
    [],
  );
  await unchanged(6);
  t.deepEqual(
    answers.filter((each) => !each.endsWith(' 403')),
    [],
  );
});

inBrowser('a form, an image, a script and a frame of a foreign page get nothing', async (t, stage) => {
  const { webAddress } = stage.server;
  const form = (type: string, name: string) => `
    <form method="post" enctype="${type}" target="frame" action="${webAddress}/${SERVICE}/SetContext">
      <input name='${name}' value='"}'><button>Win</button>
    </form>`;
  const html = `
    <script>addEventListener('error', () => {}, true)</script>
    <iframe name="frame"></iframe>
    <script src="${webAddress}/${GET}"></script>
    <img src="${webAddress}/${GET}"><iframe src="${webAddress}/${GET}"></iframe>
    ${form('text/plain', WRITE.replace('true}}', 'true},"requestId":"'))}
    ${form('application/x-www-form-urlencoded', WRITE)}
    ${form('multipart/form-data', WRITE)}`;
  const { page, answers, unchanged } = await target(t, stage, await foreignPage(t, html));
  for (const button of await page.getByRole('button').all()) {
    const answered = page.waitForResponse((response) => response.url().endsWith('SetContext'));
    await button.click();
    await answered;
  }
  await unchanged(6);
  t.deepEqual(
    answers.filter((each) => !each.endsWith(' 403')),
    [],
  );
  t.is(answers.filter((each) => each.startsWith('POST')).length, 3);
});

inBrowser('a foreign name that resolves to the server is no way to it', async (t, stage) => {
  // Chromium resolves all names below localhost to this machine, as an attacker's name server would its own.
  const rebound = stage.server.webAddress.replace('127.0.0.1', 'evil.localhost');
  const { page, answers, unchanged } = await target(t, stage, `${rebound}/${GET}`);
  t.notRegex((await page.textContent('body')) ?? '', new RegExp(SECRET));
  const own = await page.evaluate(
    async ([get, set, body]) => {
      const headers = { 'content-type': 'application/json' };
      const [read, written] = [await fetch(get), await fetch(set, { method: 'POST', headers, body })];
      return [read.status, await read.text(), written.status, await written.text()].join();
    },
    [`/${GET}`, `/${SERVICE}/SetContext`, WRITE] as const,
  );
  t.notRegex(own, new RegExp(SECRET));
  await unchanged(3);
  t.deepEqual(answers, ['GET 421', 'GET 421', 'POST 421']);
});

inBrowser('what a document holds is never a page or a script', async (t, stage) => {
  const script = '<script>globalThis.stolen = true</script>';
  await connected(t, stage.server).set('a', { [script]: script });
  const page = await stage.open('harness.html');
  const answer = await page.goto(`${stage.server.webAddress}/${GET}`);
  t.is(answer?.status(), 200);
  t.regex((await page.textContent('body')) ?? '', /script/, 'it is shown as text');
  t.deepEqual(await page.evaluate(`[document.contentType, typeof globalThis.stolen]`), [
    'application/json',
    'undefined',
  ]);
});
