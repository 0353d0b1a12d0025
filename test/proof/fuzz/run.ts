/**
 * Mutated requests to a real server in this process, and mutated records to the readers of stored bytes. Each call must be
 * answered or refused with a code and a reason that the client can act on; none may take the process or its event loop.
 */
import type { ServiceError } from '@grpc/grpc-js';
import { ChordError } from '../../../src/model/errors.js';
import { startChord } from '../../../src/server/app.js';
import {
  decodeHead,
  decodeRecord,
  decodeRequest,
  decodeSnapshot,
  encodeHead,
  encodeRecord,
  encodeRequest,
  encodeSnapshot,
} from '../../../src/store/record-format.js';
import { Peer, refusal } from '../../support/chord.js';
import { Random } from '../random.js';
import { SEEDS, type Seed } from './requests.js';
import { mutate } from './wire.js';

const [OK, INVALID_ARGUMENT] = [0, 3];
/** NOT_FOUND, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE: refusals of what is well formed. */
const REFUSALS = new Set([OK, INVALID_ARGUMENT, 5, 8, 9, 10, 11]);
/** The CPU time that one request may take, in milliseconds. */
const STALL_MS = 100;

export interface Fuzzed {
  requests: number;
  records: number;
  /** Requests by the code of their answer. */
  readonly codes: Record<number, number>;
  /** Mutated requests that led to an answer that was new. */
  corpus: number;
  slowestMs: number;
}

/** Until `done` says so. Throws at the first thing that must not be. */
export async function fuzz(seed: number, done: (total: Fuzzed) => boolean): Promise<Fuzzed> {
  const random = new Random(seed);
  const total: Fuzzed = { requests: 0, records: 0, codes: {}, corpus: 0, slowestMs: 0 };
  const quiet = { listen: '127.0.0.1:0', backend: 'memory', logLevel: 'silent', maxEventLoopDelay: 0 } as const;
  const chord = await startChord({ ...quiet, cleanupInterval: 0, requestTimeout: 0, shutdownGrace: 100 });
  const peer = new Peer(chord.address);
  const corpus: Seed[] = [...SEEDS];
  const seen = new Set<string>();
  try {
    while (!done(total)) {
      const from = random.pick(corpus);
      const bytes = mutate(random, from.bytes);
      const before = process.cpuUsage();
      const answer = await ask(peer, { ...from, bytes });
      const { user, system } = process.cpuUsage(before);
      const cpuMs = (user + system) / 1000;
      total.requests++;
      total.codes[answer.code] = (total.codes[answer.code] ?? 0) + 1;
      total.slowestMs = Math.max(total.slowestMs, cpuMs);
      const problem = problemOf(answer) ?? (await slow(peer, { ...from, bytes }, cpuMs));
      if (problem) {
        throw new Error(`${from.method.path}: ${problem}: ${bytes.subarray(0, 2000).toString('hex')} (seed ${seed})`);
      }
      const kind = `${from.method.path} ${answer.code} ${answer.message.replaceAll(/[\d"'].*/g, '').slice(0, 60)}`;
      if (!seen.has(kind)) {
        seen.add(kind);
        if (bytes.length < 20_000) corpus.push({ ...from, bytes });
        total.corpus++;
      }
      if (total.requests % 5 === 0) total.records += fuzzRecords(random);
    }
    await peer.set({ contextId: 'after', value: {} });
    return total;
  } finally {
    peer.client.close();
    await chord.close();
  }
}

interface Answer {
  readonly code: number;
  readonly message: string;
  readonly fields: readonly string[];
  readonly reason: string | undefined;
}

async function ask(peer: Peer, { method, bytes }: Seed): Promise<Answer> {
  try {
    await peer.raw(method, bytes);
    return { code: OK, message: '', fields: [], reason: undefined };
  } catch (error) {
    if ((error as ServiceError).code === undefined) throw error;
    const { code, message, fields, reason } = refusal(error as ServiceError);
    return { code, message, fields, reason };
  }
}

function problemOf({ code, message, fields, reason }: Answer): string | undefined {
  if (!REFUSALS.has(code)) return `answered with code ${code}: ${message}`;
  if (code === OK) return undefined;
  if (reason === undefined) return `refused without a reason: ${message}`;
  if (code === INVALID_ARGUMENT && fields.length === 0 && !/decode|message|request/i.test(message)) {
    return `refused without the name of a field: ${message}`;
  }
  return undefined;
}

/** Slow once may be the collector of garbage; slow three times is the request. */
async function slow(peer: Peer, seed: Seed, cpuMs: number): Promise<string | undefined> {
  if (cpuMs < STALL_MS) return undefined;
  for (let i = 0; i < 2; i++) {
    const before = process.cpuUsage();
    await ask(peer, seed);
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1000 < STALL_MS) return undefined;
  }
  return `takes ${Math.round(cpuMs)} ms of CPU time`;
}

const position = { epoch: 'abcdefgh', version: 7, digest: 'hgfedcba' };
const head = { position, createdAt: 1_700_000_000_000, updatedAt: 1_700_000_000_001, weight: 99 };
const RECORDS: readonly (readonly [bytes: Uint8Array, decode: (bytes: Buffer) => unknown])[] = [
  [encodeHead({ head: { ...head, expiry: { at: 5, ttl: 4 } } }), (bytes) => decodeHead(bytes, 'a head')],
  [
    encodeRecord({ position, at: 5, changes: Buffer.from('abc'), olds: Buffer.from('de') }),
    (bytes) => decodeRecord(bytes, 'a record'),
  ],
  [encodeSnapshot({ version: 7, bytes: Buffer.from('abc') }), (bytes) => decodeSnapshot(bytes, 'a snapshot')],
  [
    encodeRequest({ id: 'r', fingerprint: 'f', result: Buffer.from('abc'), at: 5 }),
    (bytes) => decodeRequest(bytes, 'r', 'a request'),
  ],
];

/** Each decodes to something, or is said to be damaged. */
function fuzzRecords(random: Random): number {
  for (const [whole, decode] of RECORDS) {
    const bytes = Buffer.from(whole);
    for (let count = random.below(4); count >= 0; count--) bytes[random.below(bytes.length)] = random.below(256);
    try {
      decode(random.chance(0.2) ? bytes.subarray(0, random.below(bytes.length)) : bytes);
    } catch (error) {
      if (!(error instanceof ChordError) || error.reason !== 'DATA_LOSS') throw error;
    }
  }
  return RECORDS.length;
}
