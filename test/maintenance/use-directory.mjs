/** Reads all that a data directory (argument) holds, writes to all of it, reads again, and prints what it read. */
import { createHash } from 'node:crypto';
import { openChord } from '../../dist/server/app.js';

const chord = await openChord({
  dataDir: process.argv[2],
  cleanupInterval: 0,
  minFreeBytes: 0,
  clock: () => 1_800_000_900_000,
});
const { contexts } = chord;
const found = createHash('sha256');

async function read() {
  const ids = [];
  for (let pageToken = ''; ; ) {
    const page = await contexts.list('', { pageSize: 1000, ...(pageToken && { pageToken }) });
    ids.push(...page.heads.map(({ id }) => id));
    pageToken = page.nextPageToken;
    if (pageToken === '') break;
  }
  for (const id of ids) {
    const { head, value } = await contexts.get(id);
    found.update(`${id} ${head.position.version} `).update(value.bytes);
    for (const { to } of (await contexts.deltas(id, 0)).deltas) found.update(`${to.version}`);
  }
  return ids;
}

for (const [i, id] of (await read()).entries()) {
  if (i % 3 === 0) await contexts.delete(id);
  else await contexts.update(id, { changes: { again: 'z'.repeat(i * 30) } });
}
for (let i = 0; i < 60; i++) await contexts.set(`${i}:new`, { i, text: 'n'.repeat(i * 100) }, { requestId: `${i}` });
await read();
await chord.close();
console.log(found.digest('hex'));
