/**
 * Beside an attack, in a process of its own so that the attacker's load does not delay it: calls a tiny GetContext, looks
 * at what the server takes, and kills it when it takes too much. Speaks with its parent by messages.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Connection } from '../client.js';
import { GET, getRequest } from '../requests.js';

export interface Bounds {
  readonly pid: number;
  readonly address: string;
  readonly token: string;
  readonly contextId: string;
  /** Of the server's CPU time. */
  readonly seconds: number;
  readonly bytes: number;
}

export interface Measured {
  /** Of the server: user and system time, in seconds. */
  readonly cpu: number;
  readonly seconds: number;
  /** In bytes: peak resident memory above what it was, and of that what belongs to no file (sampled). */
  readonly peakGrowth: number;
  readonly peakHeapGrowth: number;
  /** Resident memory above what it was, when all was answered and the server at rest. */
  readonly keptGrowth: number;
  /** Of the tiny call, in milliseconds. */
  readonly longestStall: number;
  /** The most that the server's main thread computed while one of these calls waited, in milliseconds: what the stall is where nothing else runs. */
  readonly longestTurn: number;
  readonly calls: number;
  readonly refused: number;
  readonly killed: 'time' | 'memory' | undefined;
}

const CALL_EVERY_MS = 5;
const LOOK_EVERY_MS = 20;
/** A row may take so many times longer than its bound of CPU time: other programs run, too. */
const PATIENCE = 8;
const TICKS_PER_SECOND = 100;
/** The server is at rest when it takes less than this part of a core, for so long; what the probe costs is below it. */
const REST = { cores: 0.3, ms: 400 };

const bounds: Bounds = JSON.parse(process.argv[2]!);
const connection = await Connection.open(bounds.address, { token: bounds.token });
const request = getRequest(bounds.contextId);
let killed: Measured['killed'];
let gone = false;
let [calls, refused, longestStall, longestTurn] = [0, 0, 0, 0];
let sentAt: number | undefined;
let sentTurn = 0;
let before = look();
let latest = before;
let heapPeak = 0;
let begin = performance.now();

const calling = setInterval(() => sentAt ?? void call(), CALL_EVERY_MS);
setInterval(watch, LOOK_EVERY_MS);
process.on('message', (message) => {
  if (message === 'reset') reset();
  else void rest().then(() => process.send!(measured(), () => process.exit()));
});
process.on('disconnect', () => process.exit());
await call();
process.send!('ready');

/** One at a time: what waits behind a stalled call says nothing new. */
async function call(): Promise<void> {
  sentAt = performance.now();
  sentTurn = mainThread();
  const answered = await connection.unary(GET, request).then(
    () => true,
    (error: Error) => error.message.startsWith('gRPC status 8') && 'refused',
  );
  // A connection that is lost answers nothing more: the server is gone.
  if (!answered) return clearInterval(calling);
  calls++;
  if (answered === 'refused') refused++;
  stalled();
  sentAt = undefined;
}

function watch(): void {
  if (gone) return;
  try {
    latest = look();
  } catch {
    gone = true;
    stalled();
    return;
  }
  heapPeak = Math.max(heapPeak, latest.heap);
  stalled();
  const seconds = (performance.now() - begin) / 1000;
  if (latest.cpu - before.cpu > bounds.seconds || seconds > bounds.seconds * PATIENCE) kill('time');
  else if (latest.resident > bounds.bytes) kill('memory');
}

/** How long the call that is under way has waited. */
function stalled(): void {
  if (sentAt === undefined) return;
  longestStall = Math.max(longestStall, performance.now() - sentAt);
  longestTurn = Math.max(longestTurn, mainThread() - sentTurn);
}

/** Milliseconds on a core so far, of the thread that runs the event loop. */
function mainThread(): number {
  try {
    return Number(readFileSync(`/proc/${bounds.pid}/schedstat`, 'utf8').split(' ', 1)) / 1e6;
  } catch {
    return sentTurn;
  }
}

function kill(why: 'time' | 'memory'): void {
  killed ??= why;
  process.kill(bounds.pid, 'SIGKILL');
}

/** From here on it is measured. */
function reset(): void {
  // The kernel then begins to look for the peak anew.
  writeFileSync(`/proc/${bounds.pid}/clear_refs`, '5');
  before = look();
  latest = before;
  heapPeak = before.heap;
  begin = performance.now();
  [calls, refused, longestStall, longestTurn] = [0, 0, 0, 0];
}

function measured(): Measured {
  return {
    cpu: latest.cpu - before.cpu,
    seconds: (performance.now() - begin) / 1000,
    peakGrowth: latest.peak - before.resident,
    peakHeapGrowth: heapPeak - before.heap,
    keptGrowth: latest.resident - before.resident,
    longestStall,
    longestTurn,
    calls,
    refused,
    killed,
  };
}

async function rest(): Promise<void> {
  for (;;) {
    const { cpu } = latest;
    await new Promise((resolve) => setTimeout(resolve, REST.ms));
    watch();
    if (gone || (sentAt === undefined && latest.cpu - cpu < (REST.cores * REST.ms) / 1000)) return;
  }
}

interface Look {
  readonly cpu: number;
  readonly resident: number;
  readonly heap: number;
  readonly peak: number;
}

function look(): Look {
  // Fields from the third on: the second one, the name, may hold anything.
  const stat = readFileSync(`/proc/${bounds.pid}/stat`, 'utf8').replace(/^.*\) /s, '');
  const [user, system] = stat.split(' ').slice(11, 13).map(Number);
  const status = readFileSync(`/proc/${bounds.pid}/status`, 'utf8');
  const field = (name: string): number => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
    // A process that has ended and is not yet waited for has no memory.
    if (found === undefined) throw new Error('the server has ended');
    return Number(found) * 1024;
  };
  return {
    cpu: (user! + system!) / TICKS_PER_SECOND,
    resident: field('VmRSS'),
    heap: field('RssAnon'),
    peak: field('VmHWM'),
  };
}
