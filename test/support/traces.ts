/** Histories of real documents, kept beside the project and not in it. Tests skip where they are absent. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { JsonObject } from '../../src/model.js';

const FOLDER = fileURLToPath(new URL('../../../shared/traces/', import.meta.url));

export interface Trace {
  readonly name: string;
  /** Oldest first. */
  readonly revisions: readonly JsonObject[];
}

/** All traces; none, and a line that says so, where the folder is absent. */
export function readTraces(t: { log: (line: string) => void }): Trace[] {
  if (!existsSync(FOLDER)) {
    t.log('skipped: no ../shared/traces');
    return [];
  }
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.ndjson.gz'));
  return files.map((name) => ({ name, revisions: readRevisions(`${FOLDER}${name}`) }));
}

function readRevisions(file: string): JsonObject[] {
  const lines = gunzipSync(readFileSync(file)).toString('utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => (JSON.parse(line) as { context: JsonObject }).context);
}
