/**
 * Mutated frames of HTTP/2 on the port of a server that runs as a process of its own: each connection begins as a client
 * does, then sends frames with wrong lengths, flags, streams and payloads, in any order. The server must go on, answer
 * another caller after each connection, and return the memory.
 */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Peer } from '../../support/chord.js';
import { MAIN, Running, readyServer, type Server } from '../../support/cli.js';
import { FRAMES, frame, headers, PREFACE } from '../../support/frames.js';
import { framed } from '../../support/raw.js';
import { until } from '../../support/until.js';
import type { Random } from '../random.js';

export interface FramesSent {
  connections: number;
  frames: number;
  /** Connections that the server closed before all was sent. */
  closed: number;
  /** What the server's heap holds after a collection, in MiB, after the first connections and at the end. */
  heapMiB: [number, number];
}

const FRAMES_MAX = 60;
/** Connections after which memory is measured first. */
const WARM = 20;
/** What caches take until they are full, and the history of the other caller. */
const GROWTH_MIB_MAX = 64;
/** All that a server says that was well. */
const STOPPING = 'chord: SIGTERM: stopping\n';
const LENGTHS = [0, 1, 4, 5, 8, 100, 16_384, 16_385, 70_000];
const STREAMS = [0, 1, 2, 3, 5, 7, 0x7fffffff, 0x80000001];
const PATHS = ['/chord.v1.ContextService/SetContext', '/chord.v1.SyncService/WatchContexts', '/x', '/', ''];

/** One frame: of a client that is well behaved, mostly, with up to three of its parts replaced. */
function mutated(random: Random, stream: number): Buffer {
  const [data, payload] = [framed(random.bytes(random.below(20))), random.bytes(random.pick([4, 8, 8, 40]))];
  const block = headers(random.chance(0.3) ? { ':path': random.pick(PATHS), [`x-${random.below(9)}`]: 'y' } : {});
  const cut = random.below(block.length);
  const setting = Buffer.from([0, 1 + random.below(7), 0, 0, random.below(256), random.below(256)]);
  const whole = random.pick([
    frame(FRAMES.headers, 0x4, stream, block),
    frame(FRAMES.headers, 0x5, stream, block),
    Buffer.concat([
      frame(FRAMES.headers, 0, stream, block.subarray(0, cut)),
      frame(FRAMES.continuation, 0x4, stream, block.subarray(cut)),
    ]),
    frame(FRAMES.data, random.below(2), stream, data),
    frame(FRAMES.rstStream, 0, stream, payload.subarray(0, 4)),
    frame(FRAMES.settings, random.below(2), 0, setting),
    frame(FRAMES.ping, random.below(2), 0, payload.subarray(0, 8)),
    frame(FRAMES.windowUpdate, 0, random.pick([0, stream]), payload.subarray(0, 4)),
    frame(FRAMES.priority, 0, stream, Buffer.concat([payload, payload]).subarray(0, 5)),
    frame(FRAMES.goaway, 0, 0, payload),
    frame(FRAMES.pushPromise, 0x4, stream, block),
    frame(random.below(256), random.below(256), stream, payload),
  ]);
  if (random.chance(0.5)) return whole;
  const bytes = Buffer.from(whole);
  for (let n = 1 + random.below(3); n > 0; n--) {
    const part = random.pick(['length', 'type', 'flags', 'stream', 'payload'] as const);
    if (part === 'length') bytes.writeUIntBE(random.pick(LENGTHS), 0, 3);
    else if (part === 'type') bytes[3] = random.below(12);
    else if (part === 'flags') bytes[4] = random.below(256);
    else if (part === 'stream') bytes.writeUInt32BE(random.pick(STREAMS), 5);
    else if (bytes.length > 9) bytes[9 + random.below(bytes.length - 9)] = random.below(256);
  }
  return bytes;
}

/** Until `done` says so. Throws at the first thing that must not be. */
export async function fuzzFrames(random: Random, done: (sent: FramesSent) => boolean): Promise<FramesSent> {
  const sent: FramesSent = { connections: 0, frames: 0, closed: 0, heapMiB: [0, 0] };
  const directory = mkdtempSync(join(tmpdir(), 'chord-fuzz-'));
  const probe = join(directory, 'heap');
  const env = { NODE_OPTIONS: `--import ${new URL('../soak/probe.mjs', import.meta.url)}`, SOAK_PROBE: probe };
  const args = ['serve', '--log-level', 'error', '--max-event-loop-delay', 'off', '--listen', '127.0.0.1:0'];
  const server = await readyServer(new Running([...args, '--backend', 'memory'], MAIN, env));
  const peer = new Peer(server.address);
  try {
    await peer.set({ contextId: 'a', value: { n: 0 } });

    while (!done(sent)) {
      if (await one(random, server, sent)) sent.closed++;
      sent.connections++;
      await peer.update({ contextId: 'a', changes: { n: sent.connections } });
      if (sent.connections === WARM) sent.heapMiB[0] = await heapMiB(server, probe);
    }
    sent.heapMiB[1] = await heapMiB(server, probe);
    const [before, after] = sent.heapMiB;
    if (after - before > GROWTH_MIB_MAX) throw new Error(`the heap grew from ${before} to ${after} MiB`);
    if ((await peer.document('a')).n !== sent.connections) throw new Error('the other caller was not served');
    const { code, stderr } = await server.end('SIGTERM');
    if (code !== 0 || stderr !== STOPPING) throw new Error(`ended with ${code}: ${stderr}`);
    return sent;
  } finally {
    peer.client.close();
    await server.end('SIGKILL');
    rmSync(directory, { recursive: true });
  }
}

/** One connection; whether the server closed it before all was sent. */
async function one(random: Random, { address }: Server, sent: FramesSent): Promise<boolean> {
  const [host, port] = address.split(':') as [string, string];
  const socket = connect(Number(port), host);
  socket.on('error', () => {});
  socket.resume();
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await Promise.race([once(socket, 'connect').catch(() => {}), closed]);
  if (random.chance(0.95)) socket.write(PREFACE);
  if (random.chance(0.95)) socket.write(frame(FRAMES.settings, 0, 0));
  let stream = 1;
  for (let n = random.below(FRAMES_MAX); n > 0 && !socket.destroyed; n--) {
    const bytes = mutated(random, stream);
    if (random.chance(0.3)) stream += 2;
    sent.frames++;
    if (!socket.write(bytes)) await Promise.race([once(socket, 'drain').catch(() => {}), closed]);
    // Most are sent together; at times the server reads in between.
    if (random.chance(0.1)) await new Promise((resolve) => setImmediate(resolve));
  }
  const early = socket.destroyed;
  socket.destroy();
  await closed;
  return early;
}

/** Collects all garbage first. */
async function heapMiB(server: Server, probe: string): Promise<number> {
  const measured = () => (existsSync(probe) ? readFileSync(probe, 'utf8').split('\n').slice(0, -1) : []);
  const before = measured().length;
  server.send('SIGUSR2');
  await until(() => measured().length > before, 'a collection');
  return Math.round(Number(measured().at(-1)) / 2 ** 20);
}
