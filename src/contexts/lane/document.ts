/**
 * A lane's document at the tip, in the forms that are available: bytes from the store, decoded, encoded. Each form is
 * created when it is first needed, so that a client that only checks for changes never causes a document to be
 * decoded.
 */
import { decodeChanges } from '../../codec/changes.js';
import { decodeStruct, EncodedStruct, encodeStruct } from '../../codec/struct.js';
import { decodeStructInSteps, encodeStructInSteps } from '../../codec/struct-steps.js';
import { applyInPlace, invert } from '../../delta/index.js';
import type { Change } from '../../delta/types.js';
import { copy, type JsonObject, type Payload } from '../../model/model.js';
import type { Stored } from '../../store/store.js';
import { changesInSteps, inSteps, Pace, SMALL_BYTES } from '../long-work.js';
import { heapChange, heapOf, heapOfInSteps } from './heap-size.js';

/** A snapshot is due when the log since the last snapshot exceeds twice the document by this many bytes ... */
const LOG_SLACK_BYTES = 4096;
/** ... or has this many records: the most records that a cold load must fold. */
const LOG_RECORDS_MAX = 2000;

const NO_BYTES = new Uint8Array();
/** The memory of a document with some `SMALL_BYTES` on the wire: members of objects take four times their bytes. */
const SMALL_HEAP = 4 * SMALL_BYTES;

/** The form in which a reader receives documents. */
export interface Form<T> {
  of(document: LaneDocument): T;
  /** The size on the wire; a form that is not sent answers a size that no delta exceeds. */
  bytes(value: T): number;
}

/** The wire form, which all readers share. */
export const ENCODED: Form<EncodedStruct> = {
  of: (document) => document.encoded(),
  bytes: (value) => value.bytes.length,
};

/** Plain objects, a copy for each reader: for programs that use Chord without a network. */
export const DECODED: Form<JsonObject> = {
  of: (document) => copy(document.value()),
  bytes: () => Number.POSITIVE_INFINITY,
};

/** What is needed of a document: its value, or its bytes. */
export type Need = 'value' | 'encoded';

export class LaneDocument {
  #decoded: JsonObject | undefined;
  /** The memory of `#decoded`, in bytes. */
  #heap = 0;
  #encoded: EncodedStruct | undefined;
  /** The snapshot and the deltas from the store, until they are decoded. */
  #stored: { readonly snapshot?: Uint8Array | undefined; readonly payloads: readonly Payload[] } | undefined;
  /** Decoding or encoding in steps has failed: `value` or `encoded` throws the error. */
  #inOneStep = false;
  /** A different number: the value has changed. */
  #edition = 0;
  #logBytes = 0;
  #logRecords = 0;

  /** False: the document must be loaded before use, unless the context does not exist. */
  get known(): boolean {
    return this.#decoded !== undefined || this.#encoded !== undefined || this.#stored !== undefined;
  }

  /** Whether the value is available without decoding. */
  get decoded(): boolean {
    return this.#decoded !== undefined;
  }

  /** Whether so much must be decoded or encoded before this is available that `prepare` should do it. */
  lacks(what: Need): boolean {
    if (this.#inOneStep) return false;
    if (what === 'encoded' && this.#asStored) return false;
    if (this.#stored) return this.bytes > SMALL_BYTES;
    return what === 'encoded' && this.#decoded !== undefined && this.#heap > SMALL_HEAP;
  }

  /** The approximate memory of the document, in bytes. */
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
    this.#edition++;
    this.#decoded = this.#encoded = this.#stored = undefined;
    this.#logBytes = this.#logRecords = 0;
    this.#inOneStep = false;
  }

  /** The document, {} where none is known. The caller may change it in place, and must then call `moved`. */
  value(): JsonObject {
    if (!this.#decoded) {
      this.#decoded = this.#decode();
      this.#heap = heapOf(this.#decoded);
    }
    return this.#decoded;
  }

  encoded(): EncodedStruct {
    this.#encoded ??= new EncodedStruct(this.#asStored ?? encodeStruct(this.value()));
    return this.#encoded;
  }

  /**
   * Decodes the document before `value` is called, encodes it before `encoded` is, and yields between steps. No effect where
   * the document changes meanwhile, or cannot be decoded: `value` then throws the error.
   */
  async prepare(what: Need): Promise<void> {
    const pace = new Pace();
    try {
      await this.#decodeInSteps(pace);
      if (what === 'encoded') await this.#encodeInSteps(pace);
    } catch {
      this.#inOneStep = true;
    }
  }

  async #decodeInSteps(pace: Pace): Promise<void> {
    const stored = this.#stored;
    if (!stored) return;
    const document = await inSteps(decodeStructInSteps(stored.snapshot ?? NO_BYTES), pace);
    for (const payload of stored.payloads) {
      for await (const changes of changesInSteps(payload, pace)) applyInPlace(changes, document);
    }
    const heap = await inSteps(heapOfInSteps(document), pace);
    if (this.#stored !== stored) return;
    this.#decoded = document;
    this.#heap = heap;
    this.#stored = undefined;
  }

  async #encodeInSteps(pace: Pace): Promise<void> {
    const document = this.#decoded;
    const edition = this.#edition;
    if (!document || this.#encoded) return;
    const encoding = encodeStructInSteps(document);
    for (let step = encoding.next(); ; step = encoding.next()) {
      if (step.done) {
        this.#encoded = new EncodedStruct(step.value);
        return;
      }
      await pace.spend(step.value);
      // What was encoded so far is of another state than the rest.
      if (edition !== this.#edition) return;
    }
  }

  /** A write has changed the value in place, with this payload and perhaps a snapshot. `heap`: bytes of memory added. */
  moved(payload: Payload, snapshot: Uint8Array | undefined, heap: number): void {
    this.#edition++;
    this.#heap += heap;
    this.#encoded = snapshot && new EncodedStruct(snapshot);
    this.#logBytes = snapshot ? 0 : this.#logBytes + sizeOf(payload);
    this.#logRecords = snapshot ? 0 : this.#logRecords + 1;
  }

  /** A snapshot of the document was passed to the store. */
  saved(): void {
    this.#logBytes = this.#logRecords = 0;
  }

  /** Applies a delta that another server stored. */
  fold(changes: readonly Change[], payload: Payload): void {
    applyInPlace(changes, this.value());
    this.moved(payload, undefined, heapChange(changes));
  }

  /** Undoes the delta that was applied last. */
  undo(payload: Payload): void {
    const changes = invert(decodeChanges(payload.changes, payload.olds));
    this.#edition++;
    applyInPlace(changes, this.value());
    this.#heap += heapChange(changes);
    this.#encoded = undefined;
    this.#logBytes -= sizeOf(payload);
    this.#logRecords--;
  }

  /** Whether the log since the last snapshot, this payload included, is long enough for a new snapshot. */
  snapshotDue(payload: Payload | undefined, weight: number): boolean {
    return (
      this.#logBytes + (payload ? sizeOf(payload) : 0) > 2 * weight + LOG_SLACK_BYTES ||
      this.#logRecords >= LOG_RECORDS_MAX
    );
  }

  /** The bytes from the store, where they are the document as it is. */
  get #asStored(): Uint8Array | undefined {
    if (this.#encoded) return this.#encoded.bytes;
    return !this.#decoded && this.#stored?.payloads.length === 0 ? this.#stored.snapshot : undefined;
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
