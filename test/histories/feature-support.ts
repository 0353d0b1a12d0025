/** Which browser supports a feature since when: a wide table, with notes, edited for years; mostly one cell at a time. */
import type { JsonObject } from '../../src/model/model.js';
import type { Random } from './random.js';
import type { Story } from './story.js';

const BROWSERS = ['aurora', 'basilisk', 'comet', 'dolphin', 'ember', 'falcon mobile', 'gecko tv', 'harrier'];
const LINKS_KEPT = 14;

interface Link extends JsonObject {
  url: string;
  title: string;
}

export function featureSupport(random: Random): Story {
  const stats: Record<string, Record<string, string>> = {};
  const notes: Record<string, string> = {};
  const links: Link[] = [];
  const usage = { full: 40, partial: 20 };
  const document: JsonObject = {
    title: 'Grid of things',
    description: random.words(40),
    status: 'draft',
    stats,
    notes_by_num: notes,
    links,
    usage,
    bugs: [],
    keywords: 'grid,things',
    parent: null,
  };
  for (const browser of BROWSERS) {
    stats[browser] = {};
    for (let version = 1; version <= 24; version++) stats[browser][`${version}.0`] = version < 12 ? 'n' : 'a #1';
  }
  notes['1'] = random.words(12);

  const row = () => stats[random.pick(BROWSERS)]!;
  const release = () => {
    const versions = row();
    const next = Object.keys(versions).length + 1;
    versions[`${next}.0`] = random.pick(['y', 'y', 'a #1', 'y x']);
  };
  const releaseAll = () => {
    for (const versions of Object.values(stats)) versions[`${Object.keys(versions).length + 1}.0`] = 'y';
  };
  const correct = () => {
    const versions = row();
    versions[random.pick(Object.keys(versions))] = random.pick(['y', 'n', 'a #1', 'a #2', 'n d #3', 'u']);
  };
  const renumber = () => {
    const versions = row();
    const [oldest, next] = Object.keys(versions);
    const flag = versions[oldest!]!;
    delete versions[oldest!];
    delete versions[next!];
    versions[`${oldest}-${next}`] = flag;
  };
  const note = () => {
    const number = String(1 + random.below(6));
    if (number in notes && random.chance(0.3)) delete notes[number];
    else notes[number] = random.words(5 + random.below(15));
  };
  const link = () => {
    if (links.length > LINKS_KEPT || (links.length > 0 && random.chance(0.35))) {
      links.splice(random.below(links.length), 1 + random.below(2));
    } else {
      const entry = { url: `https://example.org/${random.below(10_000)}`, title: random.words(4) };
      links.splice(random.below(links.length + 1), 0, entry);
    }
  };
  const bug = () => {
    const bugs = document.bugs as JsonObject[];
    if (bugs.length > 0 && random.chance(0.4)) bugs.pop();
    else bugs.push({ description: random.words(10 + random.below(20)) });
  };
  const measure = () => {
    usage.full = Math.round(random.next() * 10_000) / 100;
    if (random.chance(0.5)) usage.partial = Math.round(random.next() * 2000) / 100;
  };
  const describe = () => {
    document.status = random.pick(['draft', 'candidate', 'standard']);
    if (random.chance(0.3)) document.description = random.words(40);
    document.parent = random.chance(0.5) ? null : { id: 'layout', order: random.below(9) };
  };
  const sortLinks = () => links.sort((a, b) => (a.url < b.url ? -1 : 1));

  return {
    document,
    step() {
      const act = random.weighted<() => unknown>([
        [30, measure],
        [20, correct],
        [14, release],
        [10, link],
        [9, note],
        [6, bug],
        [4, describe],
        [3, releaseAll],
        [2, renumber],
        [1, sortLinks],
      ]);
      act();
      return 3600 * (1 + random.below(200));
    },
  };
}
