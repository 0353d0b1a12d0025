/**
 * Writes the histories beside this file: documents as they evolve in use, made from a fixed seed, so that they may be
 * given to anyone (`npx tsx test/histories/generate.ts`). Tests prove the laws of deltas on them. One revision a line,
 * oldest first, gzip: `{"at": seconds since 1970, "context": {the document}}`.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { chatRoom } from './chat-room.js';
import { deviceShadow } from './device-shadow.js';
import { featureSupport } from './feature-support.js';
import { Random } from './random.js';
import type { Story } from './story.js';

const STORIES: Readonly<Record<string, { revisions: number; seed: number; tell: (random: Random) => Story }>> = {
  'chat-room': { revisions: 500, seed: 1, tell: chatRoom },
  'device-shadow': { revisions: 600, seed: 2, tell: deviceShadow },
  'feature-support': { revisions: 400, seed: 3, tell: featureSupport },
};

/** The text of each history, by its name. */
export function histories(): Map<string, string> {
  return new Map(
    Object.entries(STORIES).map(([name, { revisions, seed, tell }]) => {
      const story = tell(new Random(seed));
      let at = 1_700_000_000;
      const lines = Array.from({ length: revisions }, (_, i) => {
        if (i > 0) at += story.step();
        return `${JSON.stringify({ at, context: story.document })}\n`;
      });
      return [name, lines.join('')];
    }),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of histories()) {
    const file = fileURLToPath(new URL(`${name}.ndjson.gz`, import.meta.url));
    writeFileSync(file, gzipSync(text, { level: 9 }));
  }
}
