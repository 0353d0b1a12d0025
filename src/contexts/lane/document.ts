/**
 * A lane's document at the tip, in whichever forms are at hand: as bytes from the store, decoded, encoded.
 * Each form is made when it is first needed, so that a client that only asks whether something changed
 * never causes a document to be decoded.
 */
import { decodeChanges } from '../../codec/changes.js';
import { decodeStruct, EncodedStruct, encodeStruct } from '../../codec/struct.js';
import { applyInPlace, invert } from '../../delta/index.js';
import type { Change } from '../../delta/types.js';
import { copy, type JsonObject, type Payload } from '../../model/model.js';
import type { Stored } from '../../store/store.js';
import { heapChange, heapOf } from './heap-size.js';

/** A snapshot is due when the log since the last one has this many bytes more than twice the document ... */
const LOG_SLACK_BYTES = 4096;
/** ... or this many records: what a cold load has to fold at the most. */
const LOG_RECORDS_MAX = 2000;

/** In which form a reader wants documents. */
export interface Form<T> {
  of(document: LaneDocument): T;
  /** What it takes on the wire; where it does not go there, no delta is larger. */
  bytes(value: T): number;
}

/** As it goes over the wire: many readers share it. */
export const ENCODED: Form<EncodedStruct> = {
  of: (document) => document.encoded(),
  bytes: (value) => value.bytes.length,
};

/** As plain objects, which are the reader's own: for programs that use Chord without a network. */
export const DECODED: Form<JsonObject> = {
  of: (document) => copy(document.value()),
  bytes: () => Number.POSITIVE_INFINITY,
};

export class LaneDocument {
  #decoded: JsonObject | undefined;
  /** What `#decoded` takes, in bytes. */
  #heap = 0;
  #encoded: EncodedStruct | undefined;
  /** What the store gave, until it is decoded. */
  #stored: { readonly snapshot?: Uint8Array | undefined; readonly payloads: readonly Payload[] } | undefined;
  #logBytes = 0;
  #logRecords = 0;

  /** False: the document must be loaded before it is used, unless the context does not exist. */
  get known(): boolean {
    return this.#decoded !== undefined || this.#encoded !== undefined || this.#stored !== undefined;
  }

  /** Whether its value is at hand without work. */
  get decoded(): boolean {
    return this.#decoded !== undefined;
  }

  /** Memory that it takes, about. */
  get bytes(): number {
    const stored = this.#stored ? (this.#stored.snapshot?.length ?? 0) + this.#logBytes : 0;
    return (this.#decoded ? this.#heap : 0) + (this.#encoded?.bytes.length ?? stored);
  }

  load(stored: Stored): void {
    this.clear();
    this.#stored = { snapshot: stored.snapshot?.bytes, payloads: stored.records };
    this.#logRecords = stored.records.length;
    for (const record of stored.records) this.#logBytes += sizeOf(record);
  }

  clear(): void {
    this.#decoded = this.#encoded = this.#stored = undefined;
    this.#logBytes = this.#logRecords = 0;
  }

  /** {} where nothing is known. The caller may change it in place, and then says so by `moved`. */
  value(): JsonObject {
    if (!this.#decoded) {
      this.#decoded = this.#decode();
      this.#heap = heapOf(this.#decoded);
    }
    return this.#decoded;
  }

  encoded(): EncodedStruct {
    if (!this.#encoded) {
      const asStored = !this.#decoded && this.#stored?.payloads.length === 0 ? this.#stored.snapshot : undefined;
      this.#encoded = new EncodedStruct(asStored ?? encodeStruct(this.value()));
    }
    return this.#encoded;
  }

  /** The value was changed in place, by a write with this payload and perhaps a snapshot, and takes so much more memory. */
  moved(payload: Payload, snapshot: Uint8Array | undefined, heap: number): void {
    this.#heap += heap;
    this.#encoded = snapshot && new EncodedStruct(snapshot);
    this.#logBytes = snapshot ? 0 : this.#logBytes + sizeOf(payload);
    this.#logRecords = snapshot ? 0 : this.#logRecords + 1;
  }

  /** A snapshot of it was handed to the store. */
  saved(): void {
    this.#logBytes = this.#logRecords = 0;
  }

  /** Applies a delta that another server stored. */
  fold(changes: readonly Change[], payload: Payload): void {
    applyInPlace(changes, this.value());
    this.moved(payload, undefined, heapChange(changes));
  }

  /** Takes a delta back that was applied last. */
  undo(payload: Payload): void {
    const changes = invert(decodeChanges(payload.changes, payload.olds));
    applyInPlace(changes, this.value());
    this.#heap += heapChange(changes);
    this.#encoded = undefined;
    this.#logBytes -= sizeOf(payload);
    this.#logRecords--;
  }

  /** Whether the log since the last snapshot, with this payload too, outweighs the document. */
  snapshotDue(payload: Payload, weight: number): boolean {
    return this.#logBytes + sizeOf(payload) > 2 * weight + LOG_SLACK_BYTES || this.#logRecords >= LOG_RECORDS_MAX;
  }

  #decode(): JsonObject {
    const document = this.#stored?.snapshot
      ? decodeStruct(this.#stored.snapshot)
      : this.#encoded
        ? decodeStruct(this.#encoded.bytes)
        : {};
    for (const { changes, olds } of this.#stored?.payloads ?? []) applyInPlace(decodeChanges(changes, olds), document);
    this.#stored = undefined;
    return document;
  }
}

function sizeOf({ changes, olds }: Payload): number {
  return changes.length + olds.length;
}
