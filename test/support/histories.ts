/**
 * Histories of documents: those of test/histories, and more where a folder of them lies beside the project. One
 * revision a line, oldest first, gzip: `{"at": seconds since 1970, "context": {the document}}`.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { JsonObject } from '../../src/model/model.js';

const FOLDERS = ['../histories/', '../../../shared/traces/'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

export interface History {
  readonly name: string;
  /** Oldest first. */
  readonly revisions: readonly JsonObject[];
}

export function readHistories(): History[] {
  return FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.ndjson.gz'))
      .map((name) => ({ name, revisions: readRevisions(`${folder}${name}`) })),
  );
}

/** The lines of a history, as text. */
export function readLines(file: string): string {
  return gunzipSync(readFileSync(file)).toString('utf8');
}

function readRevisions(file: string): JsonObject[] {
  const lines = readLines(file).split('\n');
  return lines.filter((line) => line !== '').map((line) => (JSON.parse(line) as { context: JsonObject }).context);
}
