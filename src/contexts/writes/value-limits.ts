/**
 * Limits of the values in a write: depth, length of keys, number of members. Checked once per request, before the
 * request waits for its context. Each refusal names the field of the request.
 */
import { tooManyMembers } from '../../codec/struct.js';
import type { Path } from '../../delta/types.js';
import { type ChordError, invalid } from '../../model/errors.js';
import { type Json, type JsonObject, MAX_DEPTH } from '../../model/model.js';
import { checkMemberTtl } from '../validation.js';
import type { Room } from './budget.js';
import type { Edit, Mutation } from './mutations.js';

/** Bytes in UTF-8. Each change of a delta contains its whole path, so a long key is stored as often as it has members. */
const KEY_BYTES_MAX = 1024;
/** All keys from the root to a member together, in bytes. */
const PATH_BYTES_MAX = 4096;

/** @throws ChordError INVALID_ARGUMENT, or RESOURCE_EXHAUSTED where there are too many members */
export function checkEdit(edit: Edit, room: Room): void {
  if (edit.kind === 'set') {
    checkValue(edit.value, 0, 0, 'value', room);
    return;
  }
  if (edit.changes) checkValue(edit.changes, 0, 0, 'changes', room);
  edit.mutations.forEach((mutation, index) => {
    checkMutation(mutation, `mutations[${index}]`, room);
  });
}

function checkMutation(mutation: Mutation, field: string, room: Room): void {
  const { kind, path } = mutation;
  checkLength(path, `${field}.path`);
  // A member under a longer key, which an earlier version of Chord accepted, can still be removed.
  if (kind === 'remove') return;
  if (kind === 'set' && mutation.ttl !== undefined) checkMemberTtl(mutation.ttl, `${field}.ttl`);
  const bytes = checkKeys(path, `${field}.path`, room);
  if (kind === 'set') checkValue(mutation.value, path.length, bytes, `${field}.set`, room);
  else if (kind === 'append') checkList(mutation.values, path.length, bytes, `${field}.append`, room);
  else if (kind === 'append_text') checkText(mutation.text, `${field}.append_text`);
  else if (kind === 'splice_text') checkText(mutation.insert, `${field}.splice_text`);
  else if (kind === 'splice') checkList(mutation.insert, path.length, bytes, `${field}.splice`, room);
}

/** Checks a path that a condition names. */
export function checkPath(path: Path, field: string, room: Room): void {
  checkLength(path, field);
  checkKeys(path, field, room);
}

/** Checks a value that a condition compares with one of the document. */
export function checkValueAt(value: Json, field: string, room: Room): void {
  checkValue(value, 0, 0, field, room);
}

function checkLength(path: Path, field: string): void {
  if (path.length === 0) throw invalid(field, 'must name at least one key');
  if (path.length > MAX_DEPTH) throw invalid(field, `is longer than ${MAX_DEPTH} keys`);
}

/** Answers the bytes of the keys. */
function checkKeys(path: Path, field: string, room: Room): number {
  let bytes = 0;
  for (const key of path) bytes = checkKey(key, bytes, field);
  spend(path.length, room);
  return bytes;
}

/** A string is spliced between code points, so what is inserted must be of whole ones. */
function checkText(text: string, field: string): void {
  if (!text.isWellFormed()) throw invalid(field, 'contains a lone surrogate');
}

/** Checks a value below `depth` levels of keys and list elements, whose keys have `bytes` bytes in all. */
function checkValue(value: Json, depth: number, bytes: number, field: string, room: Room): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) checkList(value, depth, bytes, field, room);
  else checkObject(value, depth, bytes, field, room);
}

function checkObject(object: JsonObject, depth: number, bytes: number, field: string, room: Room): void {
  if (depth >= MAX_DEPTH) throw tooDeep(field);
  const keys = Object.keys(object);
  spend(keys.length, room);
  for (const key of keys) {
    const value = object[key];
    // A UTF-16 unit takes at most three bytes in UTF-8: most keys need no byte count.
    const long = key.length * 3 > KEY_BYTES_MAX || bytes + key.length * 3 > PATH_BYTES_MAX;
    const below = typeof value === 'object' && value !== null;
    if (long || below) {
      const path = checkKey(key, bytes, field);
      if (below) checkValue(value, depth + 1, path, field, room);
    }
  }
}

function checkList(list: readonly Json[], depth: number, bytes: number, field: string, room: Room): void {
  if (depth >= MAX_DEPTH) throw tooDeep(field);
  room.elements += list.length;
  for (const value of list) {
    if (typeof value !== 'object' || value === null) continue;
    spend(1, room);
    checkValue(value, depth + 1, bytes, field, room);
  }
}

/** Answers the bytes of the path including this key. */
function checkKey(key: string, before: number, field: string): number {
  const bytes = Buffer.byteLength(key);
  if (bytes > KEY_BYTES_MAX) throw invalid(field, `has a key of ${bytes} bytes, the limit is ${KEY_BYTES_MAX}`);
  if (before + bytes > PATH_BYTES_MAX) throw invalid(field, `has a path of more than ${PATH_BYTES_MAX} bytes`);
  return before + bytes;
}

function spend(members: number, room: Room): void {
  room.members -= members;
  if (room.members < 0) {
    throw tooManyMembers(room.max);
  }
}

function tooDeep(field: string): ChordError {
  return invalid(field, `nests deeper than ${MAX_DEPTH} levels`);
}

/** Whether a value has more than `levels` levels of objects and lists. */
export function deeper(value: Json, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return levels < 0;
  if (levels <= 0) return true;
  const members = Array.isArray(value) ? value : Object.values(value);
  return members.some((member) => deeper(member, levels - 1));
}
