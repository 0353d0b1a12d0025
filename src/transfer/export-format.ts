/** The export format: an exported context as text, and back. ExportedContext describes the shape. */

import { decodeProvenance, encodeProvenance } from '../codec/provenance.js';
import type { ExportedLife } from '../contexts/import-history.js';
import { inSteps, type Pace } from '../contexts/long-work.js';
import { bytesOf } from '../contexts/sync/merge.js';
import { ChordError } from '../model/errors.js';
import { isObject, type Json, type JsonObject, PAYLOAD_ENCODING, type Position } from '../model/model.js';
import { isSmall, LOOK_BYTES, LOOK_EVERY, type Steps } from '../model/steps.js';
import type { LogRecord } from '../store/store.js';
import type { ExportedContext, ExportedRecord } from './export-provider.js';

/** Names the encoding of the records' changes, too. */
const FORMAT = `chord.context/${PAYLOAD_ENCODING}`;

/** Works in steps, since a history may be large. */
export async function toText(packed: ExportedLife, pace: Pace): Promise<string> {
  const exported: ExportedContext = {
    format: FORMAT,
    contextId: packed.id,
    exportedAt: iso(packed.exportedAt),
    position: packed.position,
    createdAt: iso(packed.createdAt),
    updatedAt: iso(packed.updatedAt),
    ...(packed.ttl !== undefined && { ttl: packed.ttl }),
    value: {},
  };
  const value = await inSteps(jsonInSteps(packed.value), pace);
  // The value is the last member.
  const text = `${JSON.stringify(exported).slice(0, -'{}}'.length)}${value}}`;
  if (!packed.history) return text;
  const records: string[] = [];
  for (const record of packed.history) {
    records.push(JSON.stringify(toRecord(record)));
    await pace.spend(bytesOf([record]));
  }
  return `${text.slice(0, -1)},"history":[${records.join(',')}]}`;
}

/** What `toText` writes before the first record, and before each other one. */
const FIRST_RECORD = ',"history":[{"version":';
const NEXT_RECORD = ',{"version":';

/** Works in steps, since a history may be large. DATA_LOSS: the text is not an export of this id. */
export async function fromText(text: string, id: string, pace: Pace): Promise<ExportedLife> {
  try {
    const { exported, records } = withoutRecords(text) ?? whole(text);
    const life = read(exported, id);
    if (records === undefined) return life;
    const history: LogRecord[] = [];
    for (const exportedRecord of records) {
      const record = fromRecord(exportedRecord, life.position.epoch);
      history.push(record);
      await pace.spend(bytesOf([record]));
    }
    return { ...life, history };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ChordError('DATA_LOSS', `the export of ${JSON.stringify(id)} cannot be read: ${why}`, {
      contextId: id,
      cause: error,
    });
  }
}

interface Parsed {
  readonly exported: Partial<ExportedContext>;
  readonly records?: Iterable<ExportedRecord> | undefined;
}

function whole(text: string): Parsed {
  const exported = JSON.parse(text) as Partial<ExportedContext>;
  const { history } = exported ?? {};
  if (history !== undefined && !Array.isArray(history)) throw new Error('the history is not a list');
  return { exported, records: history };
}

/** Undefined: `toText` did not write it, or it has no history; a store may have formatted it anew. */
function withoutRecords(text: string): Parsed | undefined {
  // Not the member of a document: what stands before that is no complete object.
  const start = text.indexOf(FIRST_RECORD);
  if (start < 0 || !text.endsWith('}]}')) return undefined;
  try {
    const exported = JSON.parse(`${text.slice(0, start)}}`) as Partial<ExportedContext>;
    return { exported, records: recordsOf(text, start + FIRST_RECORD.length - NEXT_RECORD.length) };
  } catch {
    return undefined;
  }
}

/** Parses one record at a time. A string in a record does not have the text before a record: its quotes are escaped. */
function* recordsOf(text: string, start: number): Generator<ExportedRecord, void, void> {
  for (let at = start; at >= 0; ) {
    const next = text.indexOf(NEXT_RECORD, at + 1);
    yield JSON.parse(text.slice(at + 1, next < 0 ? -']}'.length : next)) as ExportedRecord;
    at = next;
  }
}

function read(exported: Partial<ExportedContext>, id: string): ExportedLife {
  const { format, contextId, position, value, ttl } = exported ?? {};
  if (format !== FORMAT) throw new Error(`the format is ${JSON.stringify(format)}, expected ${FORMAT}`);
  if (contextId !== id) throw new Error(`the context id is ${JSON.stringify(contextId)}`);
  if (!isObject(value)) throw new Error('the value is not an object');
  if (ttl !== undefined && !(typeof ttl === 'number' && ttl > 0)) throw new Error('the ttl is not a duration');
  const { epoch, version, digest } = position ?? {};
  return {
    id,
    exportedAt: time(exported.exportedAt),
    position: positionOf(epoch, version, digest),
    createdAt: time(exported.createdAt),
    updatedAt: time(exported.updatedAt),
    ttl,
    value,
  };
}

function fromRecord(record: ExportedRecord, epoch: string): LogRecord {
  return {
    position: positionOf(epoch, record.version, record.digest),
    at: time(record.at),
    changes: bytes(record.changes),
    olds: bytes(record.olds),
    ...(record.cause === 'expired' && { cause: record.cause }),
    ...provenanceIn(record),
  };
}

function toRecord({ position, at, changes, olds, cause, provenance }: LogRecord): ExportedRecord {
  const { version, digest } = position;
  const { author, annotations } = decodeProvenance(provenance);
  return {
    ...{ version, digest, at: iso(at), changes: base64(changes), olds: base64(olds) },
    ...(cause && { cause }),
    ...(author !== '' && { author }),
    ...(Object.keys(annotations).length > 0 && { annotations }),
  };
}

function provenanceIn({ author = '', annotations = {} }: ExportedRecord): { readonly provenance?: Uint8Array } {
  if (typeof author !== 'string' || !isObject(annotations)) throw new Error('the author of a version is not one');
  if (Object.values(annotations).some((value) => typeof value !== 'string'))
    throw new Error('an annotation is no text');
  const provenance = encodeProvenance(author, annotations);
  return provenance ? { provenance } : {};
}

/** As `json`, in steps. */
function* jsonInSteps(value: Json): Steps<string> {
  if (isSmall(value)) return json(value);
  const parts: string[] = [];
  if (Array.isArray(value)) {
    for (const member of value) {
      parts.push(isSmall(member) ? json(member) : yield* jsonInSteps(member));
      if (parts.length % LOOK_EVERY === 0) yield LOOK_BYTES;
    }
    return `[${parts.join(',')}]`;
  }
  const object = value as JsonObject;
  for (const key of Object.keys(object)) {
    const member = object[key]!;
    const text: string = isSmall(member) ? json(member) : yield* jsonInSteps(member);
    parts.push(`${JSON.stringify(key)}:${text}`);
    if (parts.length % LOOK_EVERY === 0) yield LOOK_BYTES;
  }
  return `{${parts.join(',')}}`;
}

/** As JSON.stringify, which would write the negative zero as 0. */
function json(value: Json): string {
  if (Object.is(value, -0)) return '-0';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(json).join(',')}]`;
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}:${json(member)}`);
  return `{${members.join(',')}}`;
}

function positionOf(epoch: unknown, version: unknown, digest: unknown): Position {
  const named = typeof epoch === 'string' && typeof digest === 'string';
  if (!named || !Number.isSafeInteger(version) || (version as number) < 1) throw new Error('a position is incomplete');
  return { epoch, version: version as number, digest };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

function time(text: unknown): number {
  const at = typeof text === 'string' ? Date.parse(text) : Number.NaN;
  if (!(at >= 0)) throw new Error(`${JSON.stringify(text)} is not a time`);
  return at;
}

function base64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
}

function bytes(text: unknown): Uint8Array {
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new Error('the bytes are not base64');
  return Buffer.from(text, 'base64');
}
