/** The order in which contexts have their turns. */
import test from 'ava';
import { Cursor } from '../../src/watch/cursor.js';
import { PendingQueue } from '../../src/watch/pending-queue.js';

const owner = { offerTo() {}, offerBatch() {}, seen: 0 };

function cursor(id: string): Cursor {
  return new Cursor(id, owner, undefined);
}

test('a context that was set aside, and was sent since with its batch, has its turn before a later heartbeat', (t) => {
  const queue = new PendingQueue();
  const a = cursor('a');
  queue.mark(a);
  queue.take();
  queue.stall(a);
  a.dirty = false; // it was sent, as a member of a batch whose turn came
  queue.mark(a);
  queue.push('heartbeat');
  t.deepEqual([queue.take(), queue.take(), queue.take()], [a, 'heartbeat', undefined]);
  a.dirty = false;
  queue.goOn();
  t.is(queue.take(), undefined);
});

test('a context that was set aside waits until the queue goes on, whatever happens to it meanwhile', (t) => {
  const queue = new PendingQueue();
  const a = cursor('a');
  queue.stall(a);
  queue.mark(a);
  queue.stall(a);
  t.deepEqual([queue.take(), queue.size], [undefined, 1]);
  queue.goOn();
  t.deepEqual([queue.take(), queue.take(), queue.size], [a, undefined, 0]);
});
