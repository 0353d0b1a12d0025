/** How the author of an external store tests it: `node --test examples/`. Any other runner will do. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { providerLaws } from 'chordstate-server/testing';
import { openArchive } from './external-store.js';

for (const { name, run } of providerLaws) test(name, () => run(makeSubject));

async function makeSubject() {
  const directory = await mkdtemp(join(tmpdir(), 'chord-archive-'));
  return {
    provider: openArchive(directory),
    reopen: async () => openArchive(directory),
    destroy: () => rm(directory, { recursive: true }),
  };
}
