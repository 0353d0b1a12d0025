/** The sync decision, case by case. */
import test from 'ava';
import { decide } from '../../../src/contexts/sync/decision.js';
import type { Position } from '../../../src/model/model.js';

const head: Position = { epoch: 'e', version: 10, digest: 'd' };
const at = (version: number, digest = 'd', epoch = 'e'): Position => ({ epoch, version, digest });

const cases: [string, Position | undefined, string][] = [
  ['nothing', undefined, 'initial'],
  ['version 0', at(0, '', ''), 'initial'],
  ['another life', at(10, 'd', 'f'), 'epoch_changed'],
  ['another life, ahead', at(11, 'd', 'f'), 'epoch_changed'],
  ['ahead', at(11), 'ahead'],
  ['ahead, by the version alone', at(11, '', ''), 'ahead'],
  ['the head', at(10), 'no_change'],
  ['the head, by the version alone', at(10, '', ''), 'no_change'],
  ['the head of another history', at(10, 'x'), 'diverged'],
  ['behind', at(9), 'behind'],
  ['behind by the threshold', at(5), 'behind'],
  ['behind by more', at(4), 'history_truncated'],
];

for (const [name, known, expected] of cases) {
  test(`known: ${name}`, (t) => {
    const decision = decide(known, head, 5);
    const answer: string = decision.kind === 'full' ? decision.reason : decision.kind;
    t.is(answer, expected);
  });
}
