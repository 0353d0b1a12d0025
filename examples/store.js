/**
 * A store of one's own: everything in memory, and each write in a journal before it counts.
 *
 *     chord serve --plugin ./examples/store.js --data-dir ./data
 *
 * or from code: `startChord({ store: await openJournal('./data') })`. It keeps the whole contract: see store.test.js.
 *
 * What the memory engine answers depends on nothing but the calls that it got, in their order. So the journal keeps the
 * calls that write, also those that were refused: the same calls lead to the same state, and conflicts, request
 * ids, trimming and indexes are the memory engine's business. What is left to do here is durability.
 *
 * The price: all contexts must fit into memory, and the journal grows with each write.
 */
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { ChordError, openMemory } from 'chordstate-server';

/** So many calls make one line: also the largest of them fit into one string. */
const BATCH_MAX = 32;

/**
 * @param {string} directory made where it is missing; for one process at a time
 * @returns {Promise<import('chordstate-server').Store>}
 */
export async function openJournal(directory) {
  await mkdir(directory, { recursive: true });
  const path = join(directory, 'journal.jsonl');
  const file = await open(path, 'a');
  try {
    const memory = openMemory();
    await file.truncate(await replay(await readFile(path), memory));
    await file.sync();
    return new Journal(file, memory);
  } catch (error) {
    await file.close();
    throw error;
  }
}

class Journal {
  #file;
  #memory;
  #waiting = [];
  /** Settles when nothing waits any more. */
  #flushing;
  #listeners = [];
  #failure;
  #closed = false;

  constructor(file, memory) {
    this.#file = file;
    this.#memory = memory;
  }

  // A write reaches the memory when it is in the journal. So these see what is durable, and nothing else.
  load = (id) => this.#memory.load(id);
  head = (id) => this.#memory.head(id);
  recall = (id, requestId) => this.#memory.recall(id, requestId);
  members = (id) => this.#memory.members(id);
  deltas = (id, after, limit, maxBytes) => this.#memory.deltas(id, after, limit, maxBytes);
  list = (prefix, after, limit) => this.#memory.list(prefix, after, limit);
  due = (index, upTo, limit, after) => this.#memory.due(index, upTo, limit, after);

  commit = (commit) => this.#write('commit', commit);
  remove = (removal) => this.#write('remove', removal);
  commitBatch = (operations) => this.#write('commitBatch', operations);
  trim = (id, version) => this.#write('trim', id, version);
  forget = (before, limit) => this.#write('forget', before, limit);

  health() {
    if (this.#closed) return { serving: false, readOnly: false, detail: 'the store is closed' };
    return { serving: true, readOnly: this.#failure !== undefined, detail: this.#failure?.message };
  }

  onHealth(listener) {
    this.#listeners.push(listener);
  }

  async close() {
    if (this.#closed) return;
    this.#closed = true;
    await this.#flushing;
    await this.#memory.close();
    await this.#file.close();
    this.#tell();
  }

  /** Lines up at once, behind all that was called before; settles when it is durable. */
  async #write(...call) {
    if (this.#closed) throw new ChordError('UNAVAILABLE', 'the store is closed');
    if (this.#failure) throw this.#failure;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ call, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  /** One line and one flush of the disk for all that came while the last one was written. */
  async #flush() {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH_MAX);
      try {
        await this.#file.appendFile(encodeLine(batch.map(({ call }) => call)));
        await this.#file.datasync();
      } catch (cause) {
        this.#fail(cause, [...batch, ...this.#waiting.splice(0)]);
        break;
      }
      for (const { call, resolve, reject } of batch) await perform(this.#memory, call).then(resolve, reject);
    }
    this.#flushing = undefined;
  }

  /** The content of the file is unknown now, so nothing is added until the next start has read it again. */
  #fail(cause, unanswered) {
    this.#failure = new ChordError('UNAVAILABLE', `the journal cannot be written: ${cause.message}`, { cause });
    for (const { reject } of unanswered) reject(this.#failure);
    this.#tell();
  }

  #tell() {
    for (const listener of this.#listeners) listener(this.health());
  }
}

function perform(memory, [method, ...args]) {
  return memory[method](...args);
}

/** Makes the calls of a journal again. @returns how many bytes of it count */
async function replay(journal, memory) {
  let start = 0;
  while (start < journal.length) {
    const end = journal.indexOf('\n', start);
    const calls = decodeLine(journal.subarray(start, end));
    if (end < 0 || calls === undefined) {
      // A line was written when the one before it was durable: a crash can have cut the last one, and no other.
      if (end < 0 || end === journal.length - 1) break;
      throw new ChordError('DATA_LOSS', `the journal is damaged at byte ${start}`);
    }
    for (const call of calls) await perform(memory, call);
    start = end + 1;
  }
  return start;
}

/** `0a1b2c3d [["commit",{...}], ...]`, where the first word is the checksum of the rest. */
function encodeLine(calls) {
  const json = JSON.stringify(calls, bytesToText);
  return `${checksum(json)} ${json}\n`;
}

/** Undefined where the line is not as it was written. */
function decodeLine(line) {
  const json = line.subarray(9);
  return line.toString('latin1', 0, 8) === checksum(json) ? JSON.parse(json.toString(), textToBytes) : undefined;
}

function checksum(json) {
  return crc32(json).toString(16).padStart(8, '0');
}

function bytesToText(key, value) {
  const bytes = this[key]; // a Buffer has turned itself into something else in `value`
  return bytes instanceof Uint8Array ? { base64: Buffer.from(bytes).toString('base64') } : value;
}

function textToBytes(_key, value) {
  return typeof value?.base64 === 'string' ? Buffer.from(value.base64, 'base64') : value;
}

export default { store: ({ dataDir }) => openJournal(dataDir) };
