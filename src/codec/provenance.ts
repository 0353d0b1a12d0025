/**
 * Who wrote a version, and what the write said of itself: the wire bytes of the fields `author` and `annotations` of
 * chord.v1.Provenance. They are stored and sent as they are. Equal contents have equal bytes: annotations stand in the order
 * of their keys.
 */
import { invalid } from '../model/errors.js';
import { PROVENANCE_BYTES_MAX, setMember } from '../model/model.js';
import { Reader } from './reader.js';
import { BackWriter } from './writer.js';

/** Text that a write gives, by key. */
export type Annotations = Readonly<Record<string, string>>;

export interface Authorship {
  /** The identity that authentication gave; '': none. */
  readonly author: string;
  readonly annotations: Annotations;
}

/** Annotations of one write ... */
export const ANNOTATIONS_MAX = 32;
/** ... and their size in bytes, encoded. */
export const ANNOTATIONS_BYTES_MAX = 1024;

/** Tags of Provenance, and of an entry of its map. */
const AUTHOR = (2 << 3) | 2;
const ANNOTATION = (3 << 3) | 2;
const KEY = (1 << 3) | 2;
const VALUE = (2 << 3) | 2;
/** The last tag, and its number. */
const KNOWN = 3;

const writer = new BackWriter();
/** The bytes of authors without annotations: most writes of a server share them. */
const authors = new Map<string, Uint8Array>();
const AUTHORS_MAX = 10_000;

/** Undefined: there is nothing to say. Throws INVALID_ARGUMENT where the annotations are over a limit. */
export function encodeProvenance(author: string, annotations?: Annotations): Uint8Array | undefined {
  const entries = annotations === undefined ? [] : Object.entries(annotations);
  if (entries.length === 0) return author === '' ? undefined : encodeAuthor(author);
  if (entries.length > ANNOTATIONS_MAX) throw invalid('annotations', `are more than ${ANNOTATIONS_MAX}`);
  writer.reset();
  for (const [key, value] of entries.sort(([a], [b]) => (a < b ? 1 : -1))) {
    if (key === '') throw invalid('annotations', 'have an empty key');
    const before = writer.size;
    if (value !== '') field(VALUE, value);
    field(KEY, key);
    writer.length(before);
    writer.byte(ANNOTATION);
  }
  if (writer.size > ANNOTATIONS_BYTES_MAX) {
    throw invalid('annotations', `take ${writer.size} bytes, the limit is ${ANNOTATIONS_BYTES_MAX}`);
  }
  if (author !== '') field(AUTHOR, author);
  return checked(writer.take());
}

export function decodeProvenance(bytes: Uint8Array | undefined): Authorship {
  const annotations: Record<string, string> = {};
  let author = '';
  if (bytes === undefined) return { author, annotations };
  const reader = new Reader(bytes);
  while (reader.pos < reader.end) {
    const tag = reader.varint();
    if (tag === AUTHOR) author = reader.key(reader.end);
    else if (tag === ANNOTATION) readEntry(reader, annotations);
    else reader.skip(tag, KNOWN);
  }
  return { author, annotations };
}

function readEntry(reader: Reader, into: Record<string, string>): void {
  const end = reader.length(reader.end);
  let [key, value] = ['', ''];
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === KEY) key = reader.string(end);
    else if (tag === VALUE) value = reader.string(end);
    else reader.skip(tag, 2);
  }
  setMember(into, key, value);
}

function encodeAuthor(author: string): Uint8Array {
  let bytes = authors.get(author);
  if (bytes) return bytes;
  writer.reset();
  field(AUTHOR, author);
  bytes = checked(writer.take());
  if (authors.size === AUTHORS_MAX) authors.clear();
  authors.set(author, bytes);
  return bytes;
}

/** No name of an identity is as long as that. */
function checked(bytes: Uint8Array): Uint8Array {
  if (bytes.length > PROVENANCE_BYTES_MAX) throw invalid('author', 'is too long');
  return bytes;
}

function field(tag: number, text: string): void {
  writer.string(text);
  writer.byte(tag);
}
