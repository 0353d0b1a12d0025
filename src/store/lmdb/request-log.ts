/**
 * What requests were answered. The requests of one transaction are one row, and the rows are in the order of their commits:
 * with a row for each request, found by its name, a write would change two places of the database, and cost a third more.
 * So names are found by an index in memory (request-index.ts), which is read from the rows at the start.
 */
import { ChordError } from '../../model/errors.js';
import { decodeRequest, encodeRequest, requestTime } from '../record-format.js';
import type { Request } from '../store.js';
import { RUN_VERIFY } from './errors.js';
import { numberKey } from './keys.js';
import { RequestIndex } from './request-index.js';
import type { Bytes } from './schema.js';

const ROW_FORMAT = 1;
/** Where the first request of a row begins: behind the format, and the earliest time. */
const FIRST = 7;
/** Keys ascend: LMDB fills each page to its end. The types only accept a version here. */
const APPEND = { append: true } as unknown as number;
/** One step of `old` looks at no more: a few milliseconds. */
const ROWS_AT_ONCE = 500;
const BYTES_AT_ONCE = 2 ** 20;

/** A row of which requests are to be forgotten. */
export interface OldRow {
  readonly key: Buffer;
  /** Without them; absent: nothing is left of the row. */
  readonly left?: Buffer;
}

export class RequestLog {
  readonly #index: RequestIndex;
  #next: number;

  constructor(
    private readonly rows: Bytes,
    namesMax?: number,
  ) {
    this.#index = new RequestIndex(namesMax);
    this.#next = 1;
    for (const { key, value } of rows.getRange({})) {
      this.#next = key.readDoubleBE() + 1;
      for (const { name } of requestsIn(value)) this.#index.add(name.toString(), this.#next - 1);
    }
  }

  /** `name`: context id, NUL, request id. */
  find(name: string): Request | null {
    return this.#index.find(name, (row) => this.#inRow(row, name)) ?? null;
  }

  #inRow(row: number, name: string): Request | undefined {
    const value = this.rows.getBinary(numberKey(row));
    if (value === undefined) return undefined;
    const wanted = Buffer.from(name);
    for (const { name, bytes } of requestsIn(value)) if (name.equals(wanted)) return decode(name, bytes);
    return undefined;
  }

  /** Puts the requests of a transaction, by name. */
  put(requests: ReadonlyMap<string, Request>): void {
    const entries = [...requests].map(([name, request]) => ({
      name: Buffer.from(name),
      bytes: encodeRequest(request),
    }));
    void this.rows.put(numberKey(this.#next), encodeRequests(entries), APPEND);
  }

  /** The transaction of the last `put` is durable. */
  confirm(requests: ReadonlyMap<string, Request>): void {
    for (const name of requests.keys()) this.#index.add(name, this.#next);
    this.#next++;
  }

  /**
   * Rows with requests made before a time, behind a key: at most `limit` requests, of a bounded number of rows. `last`: the
   * last row that needs no other look, if there are more.
   */
  old(before: number, limit: number, after: Buffer | undefined) {
    const found: OldRow[] = [];
    let count = 0;
    let [rows, bytes] = [0, 0];
    let last = after;
    const from = after ? { start: after, exclusiveStart: true } : {};
    for (const { key, value } of this.rows.getRange(from)) {
      rows++;
      bytes += value.length;
      if (requestTime(value) < before) {
        const left: Entry[] = [];
        for (const entry of requestsIn(value)) {
          if (requestTime(entry.bytes) >= before || count === limit) left.push(entry);
          else count++;
        }
        found.push(left.length > 0 ? { key, left: encodeRequests(left) } : { key });
        if (count === limit) return { found, count, last };
      }
      last = key;
      if (rows === ROWS_AT_ONCE || bytes >= BYTES_AT_ONCE) return { found, count, last };
    }
    return { found, count, last: undefined };
  }

  /** Removes old rows, or what is old of them. */
  drop(found: readonly OldRow[]): void {
    for (const { key, left } of found) void (left ? this.rows.put(key, left) : this.rows.remove(key));
  }

  /** Lets the index forget what is before the first row. */
  dropped(): void {
    const [first] = this.rows.getKeys({ limit: 1 });
    this.#index.forget(first ? first.readDoubleBE() : this.#next);
  }
}

interface Entry {
  /** Context id, NUL, request id. */
  readonly name: Buffer;
  /** As record-format.ts says. */
  readonly bytes: Buffer;
}

/**
 *     format 1 (1 byte) | the earliest time (6) | for each request: length of its name (2) | name | length (4) | request
 */
export function encodeRequests(entries: readonly Entry[]): Buffer {
  const row = Buffer.allocUnsafe(
    entries.reduce((size, { name, bytes }) => size + 6 + name.length + bytes.length, FIRST),
  );
  row[0] = ROW_FORMAT;
  row.writeUIntBE(Math.min(...entries.map(({ bytes }) => requestTime(bytes))), 1, 6);
  let at = FIRST;
  for (const { name, bytes } of entries) {
    at = row.writeUInt16BE(name.length, at);
    row.set(name, at);
    at = row.writeUInt32BE(bytes.length, at + name.length);
    row.set(bytes, at);
    at += bytes.length;
  }
  return row;
}

/** The requests of a row, as views of its bytes. Throws DATA_LOSS where the lengths do not add up. */
export function* requestsIn(row: Buffer): Generator<Entry> {
  if (row[0] !== ROW_FORMAT || row.length < FIRST) throw lost();
  for (let at = FIRST; at < row.length; ) {
    const nameEnd = at + 2 + (at + 2 <= row.length ? row.readUInt16BE(at) : row.length);
    const end = nameEnd + 4 + (nameEnd + 4 <= row.length ? row.readUInt32BE(nameEnd) : row.length);
    if (end > row.length) throw lost();
    yield { name: row.subarray(at + 2, nameEnd), bytes: row.subarray(nameEnd + 4, end) };
    at = end;
  }
}

/** The request of an entry. Throws DATA_LOSS. */
export function decode(name: Buffer, bytes: Buffer): Request {
  const id = name.toString('utf8', name.indexOf(0) + 1);
  return decodeRequest(bytes, id, `request "${id}" of context "${name.toString('utf8', 0, name.indexOf(0))}"`);
}

function lost(): ChordError {
  return new ChordError('DATA_LOSS', `the answers of requests: the stored bytes are damaged; ${RUN_VERIFY}`);
}
