/**
 * What a text that grows and members that expire cost over gRPC, on LMDB, beside a watch of the same context:
 *
 *     npm run -s build && npx tsx bench/growing.ts
 *
 * Appends of four bytes, 1,000 and 10,000 of them: the server's CPU time and the bytes that the watch receives for each,
 * and bytes on disk, must not grow. Renewals of 10,000 members: no version, and nothing for the watch to receive.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TouchContextRequest, UpdateContextRequest } from '../src/gen/chord/v1/context_service.js';
import { Connection } from './client.js';
import { cpuOf } from './measure.js';
import { put, SET, setRequest, UPDATE, update, WATCH, watchRequest } from './requests.js';
import { startChord } from './servers.js';

const TOUCH = '/chord.v1.ContextService/TouchContext';
const APPENDS = [1000, 10_000];
const MEMBERS = 10_000;
/** As many as one TouchContext may name. */
const A_TOUCH = 1000;
/** The first byte of a WatchContextsResponse that is CaughtUp: field 5, a message. */
const CAUGHT_UP_TAG = 0x2a;
const IN_FLIGHT = 50;
const DAY = { seconds: 86_400, nanos: 0 };
const PLAIN = { expected: undefined, requestId: '', annotations: new Map(), returning: undefined };

const dataDir = mkdtempSync(join(tmpdir(), 'chord-growing-'));
const server = await startChord({ dataDir, flags: ['--delta-threshold', '1000000', '--cleanup-interval', 'off'] });
const connection = await Connection.open(server.address);
try {
  for (const count of APPENDS) await appends(`text:${count}`, count);
  await renewals('room');
} finally {
  connection.close();
  await server.stop();
  rmSync(dataDir, { recursive: true });
}

async function appends(contextId: string, count: number): Promise<void> {
  await put(connection, contextId, { answer: '' });
  const watch = await watched(contextId);
  const stored = storedBytes();
  const { cpu } = await cpuOf(server, async () => {
    await inFlight(count, (i) => connection.unary(UPDATE, append(contextId, `w${i % 100}`.padEnd(4))));
    const last = watch.until((bytes) => bytes.includes('done'));
    await update(connection, contextId, { done: true });
    await last;
  });
  console.log(
    `${count.toLocaleString('en')} appends of 4 bytes: ${(cpu / count).toFixed(0)} us of CPU, ` +
      `${(watch.bytes / count).toFixed(1)} bytes received and ${((storedBytes() - stored) / count).toFixed(0)} bytes of the file each`,
  );
  watch.stop();
}

/** IN_FLIGHT calls at a time. */
async function inFlight(count: number, call: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const caller = async () => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
}

function append(contextId: string, text: string): Uint8Array {
  const path = ['answer'];
  const mutations = [{ path, operation: { $case: 'appendText' as const, value: text }, ttl: undefined }];
  return UpdateContextRequest.encode({ ...PLAIN, contextId, mutations, allowMissing: false }).finish();
}

async function renewals(contextId: string): Promise<void> {
  const keys = Array.from({ length: MEMBERS }, (_, i) => `guest${i}`);
  await connection.unary(SET, setRequest(contextId, { members: {} }));
  for (let i = 0; i < MEMBERS; i += A_TOUCH) {
    const mutations = keys.slice(i, i + A_TOUCH).map((key) => ({
      path: ['members', key],
      operation: { $case: 'set' as const, value: true },
      ttl: DAY,
    }));
    const request = { ...PLAIN, contextId, mutations, allowMissing: false };
    await connection.unary(UPDATE, UpdateContextRequest.encode(request).finish());
  }
  const before = await update(connection, contextId, { counted: 1 });
  const watch = await watched(contextId);
  const one = await cpuOf(server, async () => {
    await inFlight(MEMBERS, (i) => connection.unary(TOUCH, touch(contextId, [keys[i]!])));
  });
  const many = await cpuOf(server, async () => {
    for (let i = 0; i < MEMBERS; i += A_TOUCH)
      await connection.unary(TOUCH, touch(contextId, keys.slice(i, i + A_TOUCH)));
  });
  const messages = watch.messages;
  const after = await update(connection, contextId, { counted: 2 });
  console.log(
    `${(2 * MEMBERS).toLocaleString('en')} renewals: ${after.version - before.version - 1} versions, ${messages} messages to the watch; ` +
      `${(one.cpu / MEMBERS).toFixed(0)} us of CPU each one by one, ${(many.cpu / MEMBERS).toFixed(1)} us by ${A_TOUCH}`,
  );
  watch.stop();
}

function touch(contextId: string, members: readonly string[]): Uint8Array {
  const paths = members.map((member) => ({ keys: ['members', member] }));
  return TouchContextRequest.encode({ contextId, ttl: DAY, paths }).finish();
}

/** A watch that has caught up; its counts begin there. */
async function watched(contextId: string) {
  const reader = { bytes: 0, messages: 0 };
  let arrived = (_: Buffer) => {};
  const stream = connection.stream(
    WATCH,
    (bytes) => {
      reader.bytes += bytes.length;
      reader.messages++;
      arrived(bytes);
    },
    watchRequest(contextId),
  );
  const until = (wanted: (bytes: Buffer) => boolean) =>
    new Promise<void>((resolve, reject) => {
      arrived = (bytes) => wanted(bytes) && resolve();
      stream.ended.catch(reject);
    });
  // CaughtUp is a message of a few bytes, after the document.
  await until((bytes) => bytes[0] === CAUGHT_UP_TAG);
  return Object.assign(reader, { bytes: 0, messages: 0, until, stop: () => stream.cancel() });
}

function storedBytes(): number {
  const { blocks } = statSync(join(dataDir, 'data.mdb'));
  return blocks * 512;
}
