import test from 'ava';
import { Turns } from '../../src/model/turns.js';

test('each waiting work has a turn of the event loop for itself, in order', async (t) => {
  const turns = new Turns();
  const log: string[] = [];
  let over = false;
  const tick = (): void => {
    log.push('other');
    if (!over) setImmediate(tick);
  };
  const works = ['a', 'b', 'c'].map((name) => turns.next().then(() => log.push(name)));
  setImmediate(tick);
  await Promise.all(works);
  over = true;
  t.deepEqual(log, ['a', 'other', 'b', 'other', 'c']);
  await turns.next(); // also after the queue was empty
});
