/** What somebody can do who only reaches the port: connections that flood, stall or never say anything. Others are served. */
import { once } from 'node:events';
import http2 from 'node:http2';
import { connect as dial, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { connect, type Peer, serve } from '../support/chord.js';
import { startServer } from '../support/cli.js';
import { FRAMES, frame, headers, PREFACE } from '../support/frames.js';

const MIB = 2 ** 20;
const { headers: HEADERS, rstStream: RST_STREAM, settings: SETTINGS, ping: PING, continuation: CONTINUATION } = FRAMES;

function reset(stream: number): Buffer {
  return frame(RST_STREAM, 0, stream, Buffer.from([0, 0, 0, 8]));
}

/** A connection that speaks as it likes. Counts what comes back; its end is awaited with `ended`. */
class Raw {
  readonly socket: Socket;
  readonly ended: Promise<unknown>;
  received = 0;

  constructor(t: ExecutionContext, address: string) {
    const at = address.lastIndexOf(':');
    this.socket = dial(Number(address.slice(at + 1)), address.slice(0, at));
    this.socket.on('error', () => {});
    this.socket.on('data', (bytes) => {
      this.received += bytes.length;
    });
    this.ended = new Promise((resolve) => this.socket.once('close', resolve));
    t.teardown(() => this.socket.destroy());
  }

  greet(): this {
    this.socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0)]));
    return this;
  }

  /** Sends until the other side has had enough. */
  async flood(piece: (n: number) => Buffer): Promise<void> {
    for (let n = 0; !this.socket.destroyed && !this.socket.readableEnded; n++) {
      if (!this.socket.write(piece(n))) {
        await Promise.race([new Promise((resolve) => this.socket.once('drain', resolve)), this.ended]);
      }
    }
    this.socket.destroy();
  }
}

async function works(peer: Peer): Promise<boolean> {
  return (await peer.set({ contextId: 'still there', value: { n: Math.random() } })).changed;
}

test('more connections than the limit are closed as they come, where all are known; one that ends makes room', async (t) => {
  const { address } = await serve(t, { maxConnections: 3 });
  const [peer, ...held] = [connect(t, address), connect(t, address), connect(t, address)];
  for (const each of [peer!, ...held]) t.true(await works(each));
  await new Raw(t, address).ended;
  t.true(await works(peer!));
  held[0]!.client.close();
  const other = connect(t, address);
  // Tries again until there is room.
  await new Promise((resolve) => other.client.waitForReady(Date.now() + 60_000, resolve));
  t.true(await works(other));
});

test('connections that say nothing, half a greeting, or half a call are ended', async (t) => {
  const { address } = await serve(t, { keepaliveInterval: 1000, keepaliveTimeout: 1000 });
  const silent = new Raw(t, address);
  const half = new Raw(t, address);
  half.socket.write(PREFACE.subarray(0, 10));
  const stalled = new Raw(t, address).greet();
  stalled.socket.write(frame(HEADERS, 0, 1, headers().subarray(0, 20)));
  await Promise.all([silent.ended, half.ended, stalled.ended]);
  t.true(await works(connect(t, address)));
});

test('connections whose answers to pings arrive while the event loop is blocked stay', async (t) => {
  const server = new Worker(new URL('blocked-server.mjs', import.meta.url), { stderr: true });
  t.teardown(() => server.terminate());
  const [address] = (await once(server, 'message')) as [string];
  const session = http2.connect(`http://${address}`);
  t.teardown(() => session.destroy());
  await once(session, 'remoteSettings');
  // A ping is under way in one of the blocks at least.
  for (let n = 0; n < 3; n++) {
    server.postMessage({ block: 3500 });
    await once(server, 'message');
    await new Promise((resolve) => session.ping(resolve));
  }
  t.false(session.closed || session.destroyed);
});

test('floods of resets, pings, settings and headers end their connection, and cost others nothing', async (t) => {
  const checks = ['--keepalive-interval', '2s', '--keepalive-timeout', '2s'];
  const server = await startServer('--listen', '127.0.0.1:0', '--data-dir', await temporaryDirectory(t), ...checks);
  t.teardown(() => server.end('SIGKILL'));
  const peer = connect(t, server.address);
  t.true(await works(peer));
  const call = headers();
  const floods: Record<string, (n: number) => Buffer> = {
    resets: (n) => Buffer.concat([frame(HEADERS, 0x4, 2 * n + 1, call), reset(2 * n + 1)]),
    pings: () => Buffer.concat(Array(1000).fill(frame(PING, 0, 0, Buffer.alloc(8)))),
    settings: () => Buffer.concat(Array(1000).fill(frame(SETTINGS, 0, 0))),
    continuations: (n) =>
      n === 0 ? frame(HEADERS, 0, 1, call) : frame(CONTINUATION, 0, 1, headers({ x: 'x'.repeat(10_000) })),
    'empty continuations': (n) => (n === 0 ? frame(HEADERS, 0, 1, call) : frame(CONTINUATION, 0, 1)),
    garbage: () => Buffer.alloc(100_000, 'x'),
  };
  for (const [name, piece] of Object.entries(floods)) {
    const attacker = new Raw(t, server.address).greet();
    // What a flood does not read is what the server would have to keep.
    if (name === 'pings' || name === 'settings') attacker.socket.pause();
    const flooding = attacker.flood(piece);
    for (let i = 0; i < 5; i++) t.true(await works(peer), name);
    await Promise.all([flooding, attacker.ended]);
    t.pass(name);
  }
});

test('headers that are too many or too large are refused, call by call', async (t) => {
  const { address } = await serve(t);
  const session = http2.connect(`http://${address}`, { maxSendHeaderBlockLength: 2 * MIB });
  t.teardown(() => session.destroy());
  // The limit holds when the client has heard of it.
  await once(session, 'remoteSettings');
  await new Promise((resolve) => session.ping(resolve));
  const ask = async (extra: Record<string, string>): Promise<string> => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/chord.v1.ContextService/GetContext',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...extra,
    });
    stream.on('error', () => {});
    let status = 'none';
    stream.on('response', (found) => {
      status = String(found['grpc-status']);
    });
    stream.end();
    stream.resume();
    await new Promise((resolve) => stream.on('close', resolve));
    return stream.rstCode === 0 ? status : `reset ${stream.rstCode}`;
  };
  const ENHANCE_YOUR_CALM = 'reset 11';
  t.is(await ask({ authorization: 'x'.repeat(10_000) }), '12');
  t.is(await ask({ authorization: 'x'.repeat(66_000) }), ENHANCE_YOUR_CALM);
  t.is(await ask(Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-${i}`, 'y']))), ENHANCE_YOUR_CALM);
  t.true(await works(connect(t, address)));
});

test('a connection has only so many calls open at once', async (t) => {
  const { address } = await serve(t, { maxStreamsPerConnection: 10 });
  const attacker = new Raw(t, address).greet();
  const refused = new Promise<void>((resolve) => {
    let seen = Buffer.alloc(0);
    attacker.socket.on('data', (bytes) => {
      seen = Buffer.concat([seen, bytes]);
      for (let at = 0; at + 9 <= seen.length; at += 9 + seen.readUIntBE(at, 3))
        if (seen[at + 3] === RST_STREAM) resolve();
    });
  });
  // Calls without an end: the eleventh is one too many.
  await once(attacker.socket, 'data');
  attacker.socket.write(frame(SETTINGS, 1, 0));
  for (let n = 0; n < 11; n++) attacker.socket.write(frame(HEADERS, 0x4, 2 * n + 1, headers()));
  await Promise.race([refused, attacker.ended]);
  t.true(await works(connect(t, address)));
});

test('a client may close more watches than Node lets it by itself', async (t) => {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
  if (major < 22 || (major === 22 && minor < 10)) {
    t.log('this Node has no such option');
    t.pass();
    return;
  }
  const { address } = await serve(t);
  const client = new Raw(t, address).greet();
  const call = headers();
  // nghttp2 gives 1000 at once, and 33 a second.
  for (let n = 0; n < 3000; n++) {
    client.socket.write(Buffer.concat([frame(HEADERS, 0x4, 2 * n + 1, call), reset(2 * n + 1)]));
  }
  const answered = new Promise((resolve) =>
    client.socket.on('data', (bytes) => bytes.includes('answered') && resolve(true)),
  );
  client.socket.write(frame(PING, 0, 0, Buffer.from('answered')));
  t.true(await Promise.race([answered, client.ended.then(() => false)]));
});
