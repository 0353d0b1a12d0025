/**
 * Writes the vectors that all clients are held to (`npx tsx test/vectors/generate.ts`; `--check` only compares).
 * Inputs and expected results are written by hand in the files beside this one; here they get their bytes, and each
 * result of a delta is compared with what the server's own code makes of it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { write } from '../conformance/json.js';
import { applyVectors } from './apply.js';
import { errorVectors } from './errors.js';
import { trackVectors } from './track.js';
import { valueVectors } from './values.js';

const files = { values: valueVectors(), apply: applyVectors(), errors: errorVectors(), track: trackVectors() };
let stale = false;
for (const [name, vectors] of Object.entries(files)) {
  const path = fileURLToPath(new URL(`${name}.json`, import.meta.url));
  const text = `[\n${vectors.map((vector) => `  ${write(vector)}`).join(',\n')}\n]\n`;
  if (!process.argv.includes('--check')) writeFileSync(path, text);
  else if (readFileSync(path, 'utf8') !== text) {
    stale = true;
    process.stderr.write(`${name}.json is not current: run npx tsx test/vectors/generate.ts\n`);
  }
}
process.exitCode = stale ? 1 : 0;
