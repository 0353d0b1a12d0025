/** Results as they are published, from several runs: each target as the last run that measured it to its end, and did not skip it, found it. */
import type { Curve, Figure } from './figures.js';
import type { Results } from './results.js';

/** What both sides took round by round stays in the run's own results. */
export function merged(published: Results, run: Results): Results {
  const found = new Set([...run.figures, ...run.curves].map(({ target }) => target));
  const ended = Object.entries(run.cards).filter(([target]) => found.has(target));
  const measured = new Set(ended.map(([target]) => target));
  const cards = { ...published.cards, ...Object.fromEntries(ended) };
  const order = Object.keys(cards).sort(byTarget);
  const rank = ({ target }: { readonly target: string }) => order.indexOf(target);
  const join = <T extends Figure | Curve>(before: readonly T[], now: readonly T[]): T[] => {
    const kept = before.filter(({ target }) => !measured.has(target));
    return [...kept, ...now.filter(({ target }) => measured.has(target))].sort((a, b) => rank(a) - rank(b));
  };
  // A note begins with its target, where it has one: those of the run's other targets go with their figures.
  const about = (note: string) => note.split(':')[0]!;
  const notes = published.notes.filter((note) => about(note) in published.cards && !measured.has(about(note)));
  return {
    ...run,
    cards: Object.fromEntries(order.map((target) => [target, cards[target]!])),
    notes: [...notes, ...run.notes.filter((note) => measured.has(about(note)))],
    failures: [],
    figures: join(published.figures, run.figures).map(({ sides: _, details: __, ...figure }) => figure),
    curves: join(published.curves, run.curves),
  };
}

/** P2 before P10, and those with numbers before the others. */
function byTarget(a: string, b: string): number {
  const [x, y] = [a, b].map((each) => Number(each.slice(1) || Number.POSITIVE_INFINITY)) as [number, number];
  return x === y ? a.localeCompare(b) : x - y;
}
