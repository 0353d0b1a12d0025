/** Retention never breaks recovery: a process is killed after its sweeps, and all it acknowledged is there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { decodeStruct } from '../../src/codec/struct.js';
import { openChord } from '../../src/server/app.js';

const PROGRAM = fileURLToPath(new URL('./killed.ts', import.meta.url));

test('killed after each sweep, closed and opened again: everything acknowledged is there', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'chord-killed-'));
  t.teardown(() => rm(dataDir, { recursive: true, force: true }));
  const acknowledged = new Map<string, number>();
  let now = 1_000_000_000_000;

  for (let round = 1; round <= 4; round++) {
    now += 10_000;
    const child = spawn(process.execPath, ['--import=tsx', PROGRAM, dataDir, String(now)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let sweeps = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const [id, version] = line.split(' ') as [string, string];
      if (line === 'swept') sweeps++;
      else acknowledged.set(id, Math.max(acknowledged.get(id) ?? 0, Number(version)));
      // Whatever it still says was acknowledged too.
      if (sweeps === round && !child.killed) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    t.is(child.signalCode, 'SIGKILL');
    t.is(acknowledged.size, 8);

    for (const _ of ['as it was left', 'after one more sweep and a close']) {
      const chord = await openChord({ dataDir, clock: () => now + 60_000, cleanupInterval: 0, minFreeBytes: 0 });
      for (const [id, version] of acknowledged) {
        const { head, value } = await chord.contexts.get(id);
        t.true(
          head.position.version >= version,
          `${id} stands at ${head.position.version}, ${version} was acknowledged`,
        );
        t.is(decodeStruct(value.bytes).n, head.position.version, `${id}: each version added one`);
        const page = await chord.contexts.deltas(id, 0, { pageSize: 1000 });
        t.is(page.deltas.at(-1)?.to.version ?? head.position.version, head.position.version);
      }
      const { failed } = await chord.cleanup.run({ options: { deltaTtl: 1_000, deltaThreshold: 1 } });
      t.is(failed, 0);
      await chord.close();
    }
  }
});
