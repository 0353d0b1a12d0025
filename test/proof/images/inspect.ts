/** Opens an image as a server would after the crash, and says what is wrong: nothing, where all promises are kept. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DECODED } from '../../../src/contexts/lane/document.js';
import { verify } from '../../../src/maintenance/verify.js';
import { ChordError } from '../../../src/model/errors.js';
import { openChord } from '../../../src/server/app.js';

/** The newest number that was acknowledged, by the name in the acks. */
export type Acknowledged = ReadonlyMap<string, number>;

export async function problemOf(image: Buffer, acknowledged: Acknowledged, directory: string): Promise<string | null> {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'data.mdb'), image);
  const told: string[] = [];
  const { damages } = await verify(directory, {
    onDamage: ({ contextId, what }) => void told.push(`${contextId} ${what}`),
  });
  if (damages > 0) return `verify: ${told.join('; ')}`;
  const { contexts, close } = await openChord({ dataDir: directory, minFreeBytes: 0, cleanupInterval: 0 });
  try {
    const problems: string[] = [];
    const read = async (id: string) => (await contexts.get(id, DECODED).catch(unlessMissing))?.value as Numbers;
    const documents = new Map<string, Numbers>();
    for (const id of ['c:1', 'c:2', 'c:3', 'b:1', 'b:2', 'b:3', 'g:1', 'g:2']) documents.set(id, await read(id));
    for (const id of ['c:1', 'c:2', 'c:3']) {
      const { here = 0, there = 0 } = documents.get(id) ?? {};
      if (here !== there) problems.push(`${id}: ${here} here and ${there} there`);
      problems.push(...unlikely(id, here, acknowledged.get(id)));
    }
    const batch = ['b:1', 'b:2', 'b:3'].map((id) => documents.get(id)?.n ?? 0);
    if (new Set(batch).size > 1) problems.push(`half a batch: ${batch}`);
    problems.push(...unlikely('b', batch[0]!, acknowledged.get('b')));
    for (const id of ['g:1', 'g:2']) problems.push(...comeOrGone(id, documents.get(id)?.n, acknowledged.get(id) ?? 0));
    return problems.length > 0 ? problems.join('; ') : null;
  } finally {
    await close();
  }
}

type Numbers = { readonly [name: string]: number } | undefined;

function unlessMissing(error: unknown): undefined {
  if (!(error instanceof ChordError) || error.reason !== 'NOT_FOUND') throw error;
}

/** One write was under way at most. */
function unlikely(id: string, found: number, acknowledged = 0): string[] {
  return found === acknowledged || found === acknowledged + 1 ? [] : [`${id}: ${found}, acknowledged ${acknowledged}`];
}

/** Odd numbers are sets, even ones deletes. */
function comeOrGone(id: string, found: number | undefined, acknowledged: number): string[] {
  const expected = (n: number) => (n % 2 === 1 ? n : undefined);
  if (found === expected(acknowledged) || found === expected(acknowledged + 1)) return [];
  return [`${id}: ${found ?? 'absent'}, acknowledged ${acknowledged}`];
}
