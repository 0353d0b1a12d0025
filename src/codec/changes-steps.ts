/** Changes to and from the bytes of changes.ts, in steps (model/steps.ts). */
import type { Change, Changes } from '../delta/types.js';
import type { Json, Payload } from '../model/model.js';
import { isSmall, type Steps } from '../model/steps.js';
import {
  type ChangeFields,
  checkAtEnd,
  dataLoss,
  elementsOf,
  endOfChange,
  INSERTED,
  noFields,
  noSplice,
  OLD_VALUE,
  REMOVED,
  readChange,
  readCount,
  readField,
  readTextSplice,
  SPLICE,
  type SpliceFields,
  toChange,
  VALUE,
  writeChange,
  writeOld,
  writePlace,
  writeSplice,
} from './changes.js';
import { truncated } from './reader.js';
import { readValue } from './struct.js';
import {
  readValueSteps,
  STEP_BYTES,
  StepReader,
  StepWriter,
  writeFieldSteps,
  writeValuesSteps,
} from './struct-steps.js';

/** As `encodeChanges`. The values must not change meanwhile. */
export function* encodeChangesInSteps(changes: Changes, bytesMax = Infinity): Steps<Payload | undefined> {
  const encoded = yield* encodeSteps(changes, bytesMax, writeChangeSteps);
  const olds = encoded && (yield* encodeSteps(changes, bytesMax - encoded.length, writeOldSteps));
  return encoded && olds && { changes: encoded, olds };
}

/** As `decodeChanges`, for changes with their old values: passes each one on. */
export function* decodeChangesInSteps({ changes, olds }: Payload, each: (change: Change) => void): Steps<void> {
  const [reader, old] = [new StepReader(changes), new StepReader(olds)];
  try {
    while (reader.pos < reader.end) {
      const end = endOfChange(reader);
      const oldEnd = old.length(old.end);
      const bytes = end - reader.pos + oldEnd - old.pos;
      each(
        bytes <= STEP_BYTES ? readChange(reader, end, old, oldEnd) : yield* readChangeSteps(reader, end, old, oldEnd),
      );
      const done = reader.done() + old.done();
      if (done > 0) yield done;
    }
    checkAtEnd(old);
  } catch (cause) {
    throw dataLoss(cause);
  }
}

function* encodeSteps(
  changes: Changes,
  bytesMax: number,
  write: (writer: StepWriter, change: Change) => Steps<void> | undefined,
): Steps<Uint8Array | undefined> {
  const writer = new StepWriter();
  for (let i = changes.length - 1; i >= 0; i--) {
    const steps = write(writer, changes[i]!);
    if (steps) yield* steps;
    if (writer.size > bytesMax) return undefined;
    const done = writer.done();
    if (done > 0) yield done;
  }
  return writer.take();
}

/** Writes a small change at once; answers the steps of a large one. */
function writeChangeSteps(writer: StepWriter, change: Change): Steps<void> | undefined {
  if (!isSmall(newOf(change))) return largeChangeSteps(writer, change);
  writeChange(writer, change, false);
  return undefined;
}

function* largeChangeSteps(writer: StepWriter, change: Change): Steps<void> {
  const before = writer.size;
  if (change.action === 'spliced') {
    yield* writeValuesSteps(writer, INSERTED, change.inserted, 1);
    writeSplice(writer, SPLICE, change, before);
  } else yield* writeFieldSteps(writer, VALUE, newOf(change), 1);
  writePlace(writer, change, before);
}

/** As `writeChangeSteps`, for the old values of a change with the length before them. */
function writeOldSteps(writer: StepWriter, change: Change): Steps<void> | undefined {
  if (!isSmall(oldOf(change))) return largeOldSteps(writer, change);
  const before = writer.size;
  writeOld(writer, change);
  writer.length(before);
  return undefined;
}

function* largeOldSteps(writer: StepWriter, change: Change): Steps<void> {
  const before = writer.size;
  if (change.action === 'spliced') yield* writeValuesSteps(writer, REMOVED, change.removed ?? [], 1);
  else yield* writeFieldSteps(writer, OLD_VALUE, oldOf(change), 1);
  writer.length(before);
}

/** The value or elements that a change brings. */
function newOf(change: Change): Json {
  if (change.action === 'removed') return null;
  return change.action === 'spliced' || change.action === 'text_spliced' ? (change.inserted as Json) : change.value;
}

/** The value or elements that it takes away. */
function oldOf(change: Change): Json {
  if (change.action === 'added') return null;
  const old = change.action === 'spliced' || change.action === 'text_spliced' ? change.removed : change.old;
  return (old as Json | undefined) ?? null;
}

function* readChangeSteps(reader: StepReader, end: number, olds: StepReader, oldEnd: number): Steps<Change> {
  const fields = noFields();
  yield* readFieldsSteps(reader, end, fields);
  if (fields.splice) yield* readSpliceSteps(olds, oldEnd, fields.splice);
  else if (fields.textSplice) readTextSplice(olds, oldEnd, fields.textSplice);
  else yield* readFieldsSteps(olds, oldEnd, fields);
  return toChange(fields);
}

function* readFieldsSteps(reader: StepReader, end: number, fields: ChangeFields): Steps<void> {
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === VALUE) fields.value = yield* readValueSteps(reader, reader.length(end), 0);
    else if (tag === OLD_VALUE) fields.oldValue = yield* readValueSteps(reader, reader.length(end), 0);
    else if (tag === SPLICE) {
      fields.splice = noSplice();
      yield* readSpliceSteps(reader, reader.length(end), fields.splice);
    } else readField(reader, tag, end, fields);
  }
  if (reader.pos !== end) throw truncated();
}

function* readSpliceSteps(reader: StepReader, end: number, splice: SpliceFields): Steps<void> {
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === REMOVED || tag === INSERTED) {
      const next = reader.length(end);
      const small = next - reader.pos <= STEP_BYTES;
      elementsOf(splice, tag).push(small ? readValue(reader, next, 0) : yield* readValueSteps(reader, next, 0));
    } else readCount(reader, tag, splice);
    const done = reader.done();
    if (done > 0) yield done;
  }
  if (reader.pos !== end) throw truncated();
}
