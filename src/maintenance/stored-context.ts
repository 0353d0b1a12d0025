/** Checks whether the stored records of one context are consistent. */
import { decodeChanges } from '../codec/changes.js';
import { decodeStruct } from '../codec/struct.js';
import { advance } from '../contexts/position.js';
import { apply, applyInPlace, type Change, equal, invert, weigh } from '../delta/index.js';
import { type Head, type JsonObject, type Position, samePosition } from '../model/model.js';
import { decodeHead, decodeRecord, decodeSnapshot, type HeadRow } from '../store/record-format.js';
import type { LogRecord, Snapshot } from '../store/store.js';

export interface StoredContext {
  /** The stored head. Absent: no head is stored. */
  readonly head?: (() => Buffer) | undefined;
  readonly snapshot?: (() => Buffer) | undefined;
  /** In the order of versions. */
  readonly records: Iterable<{ readonly version: number; readonly bytes: () => Buffer }>;
}

/** Reports a fault, with the `version` of the damaged record where it is known. */
export type Tell = (what: string, version?: number) => void;

/** Limit of the records before the snapshot that are kept for comparison with it, in bytes. */
const KEPT_BYTES = 16 * 2 ** 20;

/** Reports all faults of the context. Returns the head where it is readable. */
export function checkContext({ head, snapshot, records }: StoredContext, tell: Tell): HeadRow | undefined {
  const row = head && attempt(() => decodeHead(head(), 'the head'), tell);
  const copy = snapshot && attempt(() => decodeSnapshot(snapshot(), 'the snapshot'), tell);
  const log = new Log(row?.head.position.epoch, tell);
  const document = new Folded(copy, tell);
  for (const { version, bytes } of records) {
    const record = attempt(() => decodeRecord(bytes(), 'the record'), tell, version);
    log.add(version, record);
    document.add(version, record);
  }
  document.finish();
  const covered = snapshot && !copy ? Number.POSITIVE_INFINITY : (copy?.version ?? 0);
  if (log.mergedUpTo > covered) tell('its snapshot does not cover a merged delta', log.mergedUpTo);
  if (!head) tell('its head is missing, and there is a snapshot or a delta');
  if (!row) return undefined;
  checkHead(row, log, copy, tell);
  document.compare(row.head, tell);
  return row;
}

function checkHead({ head, place }: HeadRow, log: Log, snapshot: Snapshot | undefined, tell: Tell): void {
  const { position, createdAt, updatedAt } = head;
  if (!(position.version >= 1) || !(createdAt <= updatedAt)) tell('its head has impossible values');
  if (snapshot && snapshot.version > position.version) tell('its snapshot is ahead of its head', snapshot.version);
  const { first, last, lastVersion } = log;
  if (first === undefined && !snapshot) tell('it has neither a snapshot nor deltas');
  if (first !== undefined && first > (snapshot?.version ?? 0) + 1) {
    tell(`its deltas begin at version ${first}, and nothing that they lead on from is stored`);
  }
  if (lastVersion === undefined) {
    if (snapshot && snapshot.version !== position.version) tell('its deltas are missing', position.version);
  } else if (lastVersion !== position.version) {
    tell(`its deltas end at version ${lastVersion}, its head is at ${position.version}`, lastVersion);
  } else if (last && !samePosition(last.position, position)) {
    tell('its head has another position than its last delta', lastVersion);
  } else if (last && last.at !== updatedAt) {
    tell('its head has another time than its last delta', lastVersion);
  }
  if (first === 1 && log.firstAt !== undefined && log.firstAt !== createdAt)
    tell('its head has another time of creation', 1);
  if (place && place.trimmed !== (first ?? position.version + 1) - 1)
    tell('its head has another oldest delta than is stored');
  else if (place && log.firstAt !== undefined && place.oldestAt !== log.firstAt)
    tell('its head has another oldest time', first);
  else if (place && (place.thinned ?? 0) !== log.mergedAway)
    tell('its head has another number of versions that were merged away');
}

/** The log must have no holes but where a merged record stands for several versions, and each position must follow from the one before. */
class Log {
  first: number | undefined;
  firstAt: number | undefined;
  lastVersion: number | undefined;
  /** The number of versions that merged records stand for, beside their own and those before the first record. */
  mergedAway = 0;
  mergedUpTo = 0;
  /** Undefined where the record is unreadable. */
  last: LogRecord | undefined;

  constructor(
    private readonly epoch: string | undefined,
    private readonly tell: Tell,
  ) {}

  add(version: number, record: LogRecord | undefined): void {
    const { last, lastVersion, tell } = this;
    if (lastVersion === undefined) {
      this.first = version;
      this.firstAt = record?.at;
    } else if (record?.merged?.base.version === lastVersion) {
      this.mergedAway += version - lastVersion - 1;
    } else if (version !== lastVersion + 1) {
      const missing =
        lastVersion + 1 === version - 1
          ? `version ${version - 1} is`
          : `versions ${lastVersion + 1} to ${version - 1} are`;
      tell(`${missing} missing`, lastVersion + 1);
    }
    const follows = version === (lastVersion ?? 0) + 1;
    this.last = record;
    this.lastVersion = version;
    if (!record) return;
    const { position, merged } = record;
    if (position.version !== version) tell(`its record is of version ${position.version}`, version);
    else if (this.epoch !== undefined && position.epoch !== this.epoch) tell('it belongs to another epoch', version);
    else if (last && record.at < last.at) tell('it is older than the version before it', version);
    if (merged) {
      this.mergedUpTo = version;
      if (advance(merged.base, record).digest !== merged.seal)
        tell('its seal does not follow from its changes', version);
      if (last && merged.base.version === lastVersion && !samePosition(merged.base, last.position))
        tell('it leads on from another position than that of the delta before it', version);
      return;
    }
    const from: Position | undefined =
      version === 1 ? { epoch: position.epoch, version: 0, digest: '' } : last?.position;
    if (!from || !follows) return;
    if (!samePosition(advance(from, record), position))
      tell('its digest does not follow from the version before it', version);
  }
}

/** The document that snapshot and deltas make together. */
class Folded {
  #document: JsonObject | undefined;
  #version = 0;
  /** Deltas before the snapshot, while nothing else is known of the document. */
  #before: Change[][] = [];
  #beforeBytes = 0;
  #begun = false;
  #first = true;

  constructor(
    private readonly snapshot: Snapshot | undefined,
    private readonly tell: Tell,
  ) {}

  add(version: number, record: LogRecord | undefined): void {
    if (!this.#begun) this.#begin(version);
    const changes = record && attempt(() => decodeChanges(record.changes, record.olds), this.tell, version);
    // The first record leads on from whatever is not stored.
    const base = this.#first ? version - 1 : (record?.merged?.base.version ?? version - 1);
    const follows = base === this.#version;
    this.#first = false;
    this.#version = version;
    if (this.#document && changes && follows) {
      const document = this.#document;
      const fold = () => {
        applyInPlace(changes, document);
        return document;
      };
      this.#document = attempt(fold, this.tell, version);
    } else {
      this.#document = undefined;
      this.#keep(changes, follows, record);
    }
    if (version === this.snapshot?.version) this.#meet(this.snapshot);
  }

  /** Call after the last record. */
  finish(): void {
    if (!this.#begun && this.snapshot) this.#begin(this.snapshot.version + 1);
  }

  compare({ position, weight }: Head, tell: Tell): void {
    if (!this.#document || this.#version !== position.version) return; // reported already
    const weighs = weigh(this.#document);
    if (weighs !== weight) tell(`its document weighs ${weighs} bytes, its head says ${weight}`, position.version);
  }

  #begin(version: number): void {
    this.#begun = true;
    this.#version = version - 1;
    const { snapshot } = this;
    if (version === 1) this.#document = {};
    else if (snapshot && snapshot.version === version - 1) this.#meet(snapshot);
    else if (snapshot && snapshot.version < version) this.#read(snapshot);
  }

  #keep(changes: Change[] | undefined, follows: boolean, record: LogRecord | undefined): void {
    if (!changes || !follows || this.#beforeBytes > KEPT_BYTES) this.#before = [];
    if (this.#before.length === 0) this.#beforeBytes = 0;
    if (!changes || !record) return;
    this.#before.push(changes);
    this.#beforeBytes += record.changes.length + record.olds.length;
  }

  /** The log has reached the snapshot's version. */
  #meet(snapshot: Snapshot): void {
    const document = this.#read(snapshot);
    if (!document) return;
    if (this.#document && !equal(this.#document, document)) {
      this.tell('its snapshot differs from the document that its deltas make', snapshot.version);
    } else if (!this.#document && !leadsTo(document, this.#before)) {
      this.tell('its snapshot differs from the document that the deltas before it make', snapshot.version);
    }
    this.#before = [];
    this.#document = document;
  }

  #read({ bytes, version }: Snapshot): JsonObject | undefined {
    return attempt(() => decodeStruct(bytes), this.tell, version);
  }
}

/** Whether the document is the same after undoing and redoing these changes. */
function leadsTo(document: JsonObject, changes: readonly Change[][]): boolean {
  try {
    const base = changes.reduceRight((back, each) => apply(invert(each), back), document);
    return equal(
      changes.reduce((forth, each) => apply(each, forth), base),
      document,
    );
  } catch {
    return false;
  }
}

function attempt<T>(work: () => T, tell: Tell, version?: number): T | undefined {
  try {
    return work();
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error), version);
    return undefined;
  }
}
