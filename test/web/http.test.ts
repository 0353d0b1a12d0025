/** What HTTP adds: plain JSON, GET with entity tags, origins, names, and requests that attack. */
import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import type { Chord, ChordOptions } from '../../src/server/app.js';
import { ALL, guarded, guardedBy } from '../support/access.js';
import { connect, serve } from '../support/chord.js';

const WEB = { webListen: '127.0.0.1:0' };
const GET = '/chord.v1.ContextService/GetContext';
const JSON_TYPE = { 'content-type': 'application/json' };

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

async function ask(
  chord: Chord,
  path: string,
  headers: Record<string, string> = {},
  body?: string | Buffer,
  method?: string,
): Promise<Answer> {
  const [host, port] = chord.webAddress!.split(':');
  const agent = new Agent({ keepAlive: true });
  const request = httpRequest({
    host,
    port,
    path,
    headers,
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    agent,
  });
  request.end(body);
  const [response] = await once(request, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  agent.destroy();
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}

function json({ body }: Answer): Record<string, unknown> {
  return JSON.parse(body.toString());
}

async function served(t: ExecutionContext, options: ChordOptions = {}): Promise<Chord> {
  const chord = await serve(t, { ...WEB, ...options });
  await connect(t, chord.address).set({ contextId: 'room:1', value: { text: 'x'.repeat(5000) } });
  return chord;
}

const query = (fields: object) => `?connect=v1&encoding=json&message=${encodeURIComponent(JSON.stringify(fields))}`;

test('what curl -d sends is JSON', async (t) => {
  const chord = await served(t);
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const answer = await ask(chord, GET, form, '{"contextId":"room:1"}');
  t.is(answer.status, 200);
  t.like(json(answer), { context: { contextId: 'room:1', position: { version: '1' } } });
  for (const browser of [{ origin: `http://${chord.webAddress}` }, { 'sec-fetch-site': 'same-origin' }]) {
    t.is((await ask(chord, GET, { ...form, ...browser }, '{"contextId":"room:1"}')).status, 415, 'a form on a page');
  }
  const wrong = await ask(chord, GET, JSON_TYPE, '{"contextID":1}');
  t.is(wrong.status, 400);
  t.regex(String(json(wrong).message), /contextID/);
});

test('callers with rights to other parts of a document get other entity tags', async (t) => {
  const own = { context: 'room:', path: ['members', '{identity}'], rights: ['read'] };
  const identities = {
    '*': { grants: [own] },
    admin: { grants: [{ prefix: '', rights: ALL }] },
    ann: { grants: [] },
    bob: { grants: [] },
  };
  const { chord, as, tokens } = await guardedBy(t, ['admin', 'ann', 'bob'], JSON.stringify({ identities }), WEB);
  await as(tokens.admin).set({ contextId: 'room:1', value: { members: { ann: 1, bob: 2 } } });
  const path = `${GET}${query({ contextId: 'room:1' })}`;
  const tags = new Map<string, string>();
  for (const [name, value] of Object.entries({ ann: { ann: 1 }, bob: { bob: 2 }, admin: { ann: 1, bob: 2 } })) {
    const headers = { authorization: `Bearer ${tokens[name]}`, 'if-none-match': [...tags.values()].join(', ') };
    const answer = await ask(chord, path, headers);
    t.is(answer.status, 200);
    t.like(json(answer), { context: { value: { members: value } } });
    tags.set(name, String(answer.headers.etag));
  }
  t.is(new Set(tags.values()).size, 3);
  const again = { authorization: `Bearer ${tokens.bob}`, 'if-none-match': tags.get('bob')! };
  t.is((await ask(chord, path, again)).status, 304);
});

test('GET reads, with an entity tag: 304 until the context changes', async (t) => {
  const chord = await served(t);
  const peer = connect(t, chord.address);
  const { position } = (await peer.get({ contextId: 'room:1' })).context!;
  const paths = [
    GET + query({ contextId: 'room:1' }),
    `/chord.v1.SyncService/SyncContext${query({ contextId: 'room:1' })}`,
  ];
  for (const path of paths) {
    const first = await ask(chord, path);
    const etag = String(first.headers.etag);
    t.is(etag, `W/"${position!.epoch}:1:${position!.digest}"`);
    const again = await ask(chord, path, { 'if-none-match': `"x", ${etag}` });
    t.deepEqual([again.status, again.body.length, again.headers.etag], [304, 0, etag]);
    for (const known of [etag.slice(2), '*']) {
      t.is((await ask(chord, path, { 'if-none-match': known })).status, 304, known);
    }
  }
  const tag = String((await ask(chord, paths[0]!)).headers.etag);
  await peer.update({ contextId: 'room:1', changes: { n: 1 } });
  t.is((await ask(chord, paths[0]!, { 'if-none-match': tag })).status, 200);
  const write = await ask(chord, `/chord.v1.ContextService/DeleteContext${query({ contextId: 'room:1' })}`);
  t.deepEqual([write.status, write.headers.allow], [405, 'POST, OPTIONS']);
  const put = await ask(chord, GET, JSON_TYPE, '{}', 'PUT');
  t.deepEqual([put.status, put.headers.allow], [405, 'GET, HEAD, POST, OPTIONS']);
  t.is((await ask(chord, GET + query({ contextId: 'none' }))).status, 404);
});

test('HEAD answers what GET does, without the body, over HTTP/1.1 and HTTP/2', async (t) => {
  const chord = await served(t);
  const path = GET + query({ contextId: 'room:1' });
  const { etag } = (await ask(chord, path)).headers;
  const head = await ask(chord, path, {}, undefined, 'HEAD');
  t.deepEqual([head.status, head.headers.etag, head.body.length], [200, etag, 0]);
  t.is(head.headers['cache-control'], 'no-cache');
  const known = await ask(chord, path, { 'if-none-match': String(etag) }, undefined, 'HEAD');
  t.deepEqual([known.status, known.headers.etag], [304, etag]);
  const absent = await ask(chord, GET + query({ contextId: 'none' }), {}, undefined, 'HEAD');
  t.deepEqual([absent.status, absent.body.length], [404, 0]);
  const write = `/chord.v1.ContextService/DeleteContext${query({ contextId: 'room:1' })}`;
  t.is((await ask(chord, write, {}, undefined, 'HEAD')).status, 405);

  const session = connectHttp2(`http://${chord.webAddress}`);
  const request = session.request({ ':method': 'HEAD', ':path': path });
  const [headers] = await once(request, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  t.deepEqual([headers[':status'], headers.etag, chunks.length], [200, etag, 0]);
  await new Promise<void>((closed) => session.close(closed));
});

test('gzip on request', async (t) => {
  const chord = await served(t);
  const packed = await ask(chord, GET, { ...JSON_TYPE, 'accept-encoding': 'gzip' }, '{"contextId":"room:1"}');
  t.is(packed.headers['content-encoding'], 'gzip');
  t.regex(packed.headers.vary as string, /accept-encoding/, 'a cache between gives it to no other reader');
  t.true(packed.body.length < 500);
  t.like(JSON.parse(gunzipSync(packed.body).toString()), { context: { contextId: 'room:1' } });
});

test('pages of other origins and other names are refused; allowed ones may', async (t) => {
  const page = 'https://app.example';
  const chord = await served(t, { webOrigins: [page] });
  const body = '{"contextId":"room:1"}';
  const own = await ask(chord, GET, { ...JSON_TYPE, origin: `http://${chord.webAddress}` }, body);
  t.deepEqual([own.status, own.headers['access-control-allow-origin']], [200, undefined]);
  const allowed = await ask(chord, GET, { ...JSON_TYPE, origin: page }, body);
  t.deepEqual(
    [allowed.status, allowed.headers['access-control-allow-origin'], allowed.headers.vary],
    [200, page, 'origin, accept-encoding'],
  );
  t.is(allowed.headers['access-control-allow-credentials'], undefined);
  const preflight = await ask(
    chord,
    GET,
    { origin: page, 'access-control-request-method': 'POST' },
    undefined,
    'OPTIONS',
  );
  t.is(preflight.status, 204);
  t.regex(String(preflight.headers['access-control-allow-headers']), /authorization/i);
  for (const origin of [
    'https://evil.example',
    'null',
    `https://${chord.webAddress}`,
    'https://app.example.evil.example',
  ]) {
    for (const method of ['POST', 'OPTIONS', 'GET']) {
      const refused = await ask(chord, GET, { ...JSON_TYPE, origin }, method === 'POST' ? body : undefined, method);
      t.deepEqual(
        [refused.status, refused.headers['access-control-allow-origin']],
        [403, undefined],
        `${method} ${origin}`,
      );
    }
  }
  const names = {
    'evil.example': 421,
    localhost: 200,
    '[::1]:80': 200,
    '10.0.0.1': 200,
    'app.example': 200,
    'localhost.evil.example': 421,
  };
  for (const [host, status] of Object.entries(names))
    t.is((await ask(chord, GET, { ...JSON_TYPE, host }, body)).status, status, host);
  t.like((await ask(chord, GET, { ...JSON_TYPE }, body)).headers, {
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
  });
  const sites = { none: 200, 'same-origin': 200, 'same-site': 403, 'cross-site': 403 };
  for (const [site, status] of Object.entries(sites)) {
    const link = await ask(chord, GET + query({ contextId: 'room:1' }), { 'sec-fetch-site': site });
    t.is(link.status, status, `an image, a script or a link, ${site}`);
    const withCors = await ask(chord, GET, { ...JSON_TYPE, origin: page, 'sec-fetch-site': site }, body);
    t.is(withCors.status, 200, `an allowed origin, ${site}`);
  }
});

test('a stranger is refused before the body is read', async (t) => {
  const { chord } = await guarded(t, { ann: { '': ALL } }, WEB);
  const [host, port] = chord.webAddress!.split(':');
  const socket = connectSocket(Number(port), host);
  const type = 'content-type: application/json';
  socket.write(`POST ${GET} HTTP/1.1\r\nhost: localhost\r\n${type}\r\ncontent-length: 4000000\r\n\r\n{"conte`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  t.regex(head.toString(), /^HTTP\/1.1 401 /);
  socket.destroy();
});

test('what is left of a request that is answered early is read: the answer arrives, and the connection serves on', async (t) => {
  const chord = await served(t);
  const [host, port] = chord.webAddress!.split(':');
  const long = Buffer.alloc(16 * 2 ** 20, ' ');
  const socket = connectSocket(Number(port), host);
  const head = `POST ${GET} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n`;
  socket.write(`${head}content-length: ${long.length}\r\n\r\n`);
  await new Promise((sent) => socket.write(long, sent));
  socket.write(`HEAD ${GET}${query({ contextId: 'room:1' })} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  const statuses = Buffer.concat(chunks)
    .toString()
    .match(/HTTP\/1.1 \d+/g);
  t.deepEqual(statuses, ['HTTP/1.1 429', 'HTTP/1.1 200']);

  const session = connectHttp2(`http://${chord.webAddress}`, { maxSessionMemory: 64 });
  const status = async (method: string, path: string) => {
    const request = session.request({ ':method': method, ':path': path, ...JSON_TYPE }, { endStream: false });
    request.end(long);
    const [[headers]] = await Promise.all([once(request, 'response'), once(request, 'finish')]);
    return headers[':status'];
  };
  t.is(await status('POST', GET), 429);
  t.is(await status('HEAD', GET + query({ contextId: 'room:1' })), 200);
  session.destroy();
});

test('a target that names the server is taken as its path and its host, as proxies send it', async (t) => {
  const chord = await served(t);
  const path = GET + query({ contextId: 'room:1' });
  const { webAddress } = chord;
  const { etag } = (await ask(chord, path)).headers;
  const answer = await ask(chord, `http://${webAddress}${path}`);
  t.deepEqual([answer.status, answer.headers.etag], [200, etag]);
  t.is((await ask(chord, `HTTP://${webAddress}?a`, { host: 'other.example' })).status, 200, 'the page at /');
  const other = await ask(chord, `http://other.example${path}`, { host: webAddress! });
  t.is(other.status, 421, 'the target says which host');
  t.is((await ask(chord, `http://[${path}`)).status, 400);
});

test('a request without a host that can be read, and a message that is no base64, are refused as such', async (t) => {
  const chord = await served(t);
  const address = chord.webAddress!.split(':');
  const path = GET + query({ contextId: 'room:1' });
  const first = async (head: string) => {
    const socket = connectSocket(Number(address[1]), address[0]);
    socket.write(`${head}\r\n\r\n`);
    const [answer] = await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    socket.destroy();
    return String(answer).slice(9, 12);
  };
  t.is(await first(`GET ${path} HTTP/1.0`), '400', 'no host');
  for (const host of ['127.0.0.1:99999', '[::1', '127.0.0.1:80:80', '']) {
    t.is(await first(`GET ${path} HTTP/1.1\r\nhost: ${host}`), '400', host);
  }
  const wrong = await ask(chord, `${GET}?connect=v1&encoding=proto&base64=1&message=!`);
  t.is(wrong.status, 400);
  t.regex(String(json(wrong).message), /base64/);
});

test('requests that attack are refused by size, depth and number', async (t) => {
  const chord = await served(t);
  const set = '/chord.v1.ContextService/SetContext';
  const deep = `{"contextId":"a","value":{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`;
  const many = `{"contextId":"a","value":{"a":[${'{},'.repeat(400_000)}{}]}}`;
  const long = `{"contextId":"${'x'.repeat(5 * 2 ** 20)}"}`;
  const bodies: [string, number][] = [
    [deep, 429],
    [`{"contextId":"a","value":{"a":${'['.repeat(200)}${']'.repeat(200)}}}`, 400],
    [many, 429],
    [long, 429],
    [`{"contextId":"a","value":{"__proto__":{"polluted":1}}}`, 200],
    ['\u0000', 400],
    ['{"contextId":"a","contextId":"b"', 400],
  ];
  for (const [body, status] of bodies) {
    const answer = await ask(chord, set, JSON_TYPE, body);
    t.is(answer.status, status, `${body.slice(0, 40)}: ${answer.body.toString().slice(0, 200)}`);
  }
  t.is(({} as { polluted?: number }).polluted, undefined);
  t.is((await ask(chord, '/../../etc/passwd')).status, 404);
  t.is((await ask(chord, '/chord.v1.ContextService/Nothing', JSON_TYPE, '{}')).status, 404);
  t.is((await ask(chord, GET, JSON_TYPE, '{"contextId":"room:1"}')).status, 200, 'it serves on');
});

test('a message must be packed as its headers say', async (t) => {
  const chord = await served(t);
  const type = { 'content-type': 'application/grpc-web+json' };
  const statusOf = async (flags: number, headers: Record<string, string>) => {
    const message = Buffer.from('{"contextId":"room:1"}');
    const frame = Buffer.concat([Buffer.from([flags, 0, 0, 0, message.length]), message]);
    const { headers: head, body } = await ask(chord, GET, { ...type, ...headers }, frame);
    return head['grpc-status'] ?? /grpc-status: *(\d+)/i.exec(body.toString('latin1'))?.[1];
  };
  t.is(await statusOf(0, {}), '0');
  t.is(await statusOf(1, {}), '13', 'packed, without an encoding');
  t.is(await statusOf(0, { 'grpc-encoding': 'zip' }), '12', 'an unknown encoding, though the message is not packed');
});

test('a watch whose reader stalls holds few bytes, and then gets one merged delta', async (t) => {
  const chord = await served(t);
  const peer = connect(t, chord.address);
  const body = Buffer.from(JSON.stringify({ subscriptions: [{ contextId: 'room:1' }] }));
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]);
  const [host, port] = chord.webAddress!.split(':');
  const path = '/chord.v1.SyncService/WatchContexts';
  const request = httpRequest({
    host,
    port,
    path,
    headers: { 'content-type': 'application/connect+json' },
    method: 'POST',
    agent: false,
  });
  request.end(frame);
  const [response] = await once(request, 'response');
  t.is(response.headers['cache-control'], 'no-store', 'Chromium would read it ahead of the page');
  response.pause();
  const [updates, size] = [200, 100_000];
  for (let n = 1; n <= updates; n++)
    await peer.update({ contextId: 'room:1', changes: { n, text: String(n).padEnd(size) } });
  let received = 0;
  let text = '';
  for await (const chunk of response) {
    received += chunk.length;
    text = text.slice(-size) + chunk.toString('latin1');
    if (text.includes(`"version":"${updates + 1}"`)) break;
  }
  // What Node and the sockets of both sides hold: some megabytes at most.
  t.true(received < (updates * size) / 2, `${received} bytes of ${updates * size}`);
});
