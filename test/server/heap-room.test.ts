import test from 'ava';
import { HeapRoom } from '../../src/server/heap-room.js';

test('a heap that is almost full is said once, and when it has room again', (t) => {
  const said: unknown[] = [];
  const room = new HeapRoom({ warn: (fields: object, message: string) => void said.push([fields, message]) } as never);
  t.teardown(() => room.stop());
  for (const used of [10, 84, 86, 90, 80, 71, 69, 84, 50, 99]) room.look(used, 100);
  t.deepEqual(said, [
    [{ used: 86, limit: 100 }, 'the heap is almost full'],
    [{ used: 69, limit: 100 }, 'the heap has room again'],
    [{ used: 99, limit: 100 }, 'the heap is almost full'],
  ]);
});
