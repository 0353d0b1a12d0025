/** Real histories: deltas on the wire beside whole documents (P10). */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Figure, ratio, type Target, using } from '../figures.js';
import { readHistory } from '../history.js';
import { replay } from '../replayer.js';
import { startChord } from '../servers.js';

const FOLDER = fileURLToPath(new URL('../../../shared/traces/', import.meta.url));

export const p10: Target = {
  id: 'P10',
  title: 'replay of real histories, bytes on the wire',
  seconds: 12,
  run: (plan) =>
    using(async (keep): Promise<Figure[]> => {
      const names = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.endsWith('.ndjson.gz')) : [];
      if (names.length === 0) plan.note('P10: skipped, there is no ../shared/traces');
      const chord = keep(await startChord(), (server) => server.stop());
      const figures: Figure[] = [];
      for (const name of names) {
        const replayed = await replay(chord.address, name.replace(/\..*/, ''), readHistory(`${FOLDER}${name}`));
        figures.push(
          ratio({
            target: 'P10',
            name: `history ${name}, ${replayed.revisions} revisions`,
            unit: 'bytes',
            ours: replayed.bytes,
            peer: replayed.wholeBytes,
            against: 'whole documents',
            goal: { ratioAtMost: 1 / 20 },
            details: replayed,
          }),
        );
      }
      return figures;
    }),
};
