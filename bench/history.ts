/** Histories of documents: one revision per line, `{"at": unix seconds, "context": {...}}`, plain or gzip. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { isObject, type Json, type JsonObject } from '../src/model/model.js';

/** Oldest first. Throws with a message for a reader where the file is missing or a line is none. */
export function readHistory(file: string): JsonObject[] {
  const revisions = contents(file)
    .split('\n')
    .flatMap((line, index) => (line.trim() === '' ? [] : [revision(line, `${file}, line ${index + 1}`)]));
  if (revisions.length === 0) throw new Error(`${file} holds no revision`);
  return revisions;
}

function contents(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(code === 'ENOENT' ? `there is no file ${file}` : `cannot read ${file}: ${message}`);
  }
  const zipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  try {
    return (zipped ? gunzipSync(bytes) : bytes).toString('utf8');
  } catch (error) {
    throw new Error(`${file} is no whole gzip file: ${(error as Error).message}`);
  }
}

function revision(line: string, where: string): JsonObject {
  let parsed: Json;
  try {
    parsed = JSON.parse(line) as Json;
  } catch (error) {
    throw new Error(`${where} is no JSON: ${(error as Error).message}`);
  }
  const context = isObject(parsed) ? parsed.context : undefined;
  if (!isObject(context)) throw new Error(`${where} has no object "context"; expected {"at": ..., "context": {...}}`);
  return context;
}
