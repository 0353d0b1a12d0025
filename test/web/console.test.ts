/** How the console is served: headers, caching, size; and that it can be left out. */
import test from 'ava';
import { serve } from '../support/chord.js';

const WEB = { webListen: '127.0.0.1:0' };
/** Of script and style together, packed. */
const BYTES_MAX = 80 * 1024;

test('the console is at /, with files that are kept for ever', async (t) => {
  const chord = await serve(t, WEB);
  const base = `http://${chord.webAddress}`;
  const page = await fetch(`${base}/`);
  const policy = page.headers.get('content-security-policy')!;
  t.is(page.headers.get('content-type'), 'text/html; charset=utf-8');
  t.is(page.headers.get('cache-control'), 'no-cache');
  t.is(page.headers.get('x-content-type-options'), 'nosniff');
  t.is(page.headers.get('x-frame-options'), 'DENY');
  for (const part of ["default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"]) {
    t.true(policy.includes(part), policy);
  }
  t.notRegex(policy, /unsafe|\*|http/);
  const html = await page.text();
  t.notRegex(html, /<script(?![^>]* src=)|<style|style=|\bon\w+=/, 'nothing is inline');
  const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path!);
  t.is(files.length, 3);
  let bytes = 0;
  for (const path of files) {
    t.regex(path, /^\/assets\/\w+-[\w-]{8}\.(?:js|css|svg)$/);
    const answer = await fetch(base + path);
    t.is(answer.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    t.is(answer.headers.get('content-encoding'), 'gzip');
    t.is(answer.headers.get('content-security-policy'), policy);
    bytes += Number(answer.headers.get('content-length'));
    const text = await answer.text();
    for (const refusal of ['identity', 'gzip;q=0', 'gzip; q=0.0, br']) {
      const plain = await fetch(base + path, { headers: { 'accept-encoding': refusal } });
      t.is(plain.headers.get('content-encoding'), null, refusal);
      t.is(await plain.text(), text);
    }
  }
  t.log(`the console has ${bytes} bytes, packed`);
  t.true(bytes < BYTES_MAX, `${bytes} bytes`);
  t.regex(await (await fetch(`${base}/licenses.md`)).text(), /preact/);
});

test('the console answers to its own name and origin, to GET and HEAD, and has no other files', async (t) => {
  const chord = await serve(t, WEB);
  const base = `http://${chord.webAddress}`;
  t.is((await fetch(`${base}/`, { headers: { origin: 'https://evil.example' } })).status, 403);
  const post = await fetch(`${base}/`, { method: 'POST', body: 'x' });
  t.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
  const head = await fetch(`${base}/`, { method: 'HEAD' });
  t.deepEqual([head.status, await head.text()], [200, '']);
  for (const path of ['/index.html', '/assets/', '/%2e%2e/package.json', '/assets/..%2f..%2fmain.js', '/main.js']) {
    t.is((await fetch(base + path)).status, 404, path);
  }
});

test('web-console off leaves the API alone', async (t) => {
  const chord = await serve(t, { ...WEB, webConsole: 'off' });
  t.is((await fetch(`http://${chord.webAddress}/`)).status, 404);
  const list = '/chord.v1.ContextService/ListContexts?connect=v1&encoding=json&message=%7B%7D';
  t.is((await fetch(`http://${chord.webAddress}${list}`)).status, 200);
});
