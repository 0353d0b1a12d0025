/** ListDeltas: pages that always lead on, whatever the deltas weigh. */
import test from 'ava';
import { connect, fold, serve } from '../support/chord.js';

test('pages lead through a history whose deltas are larger than a page', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  for (let n = 1; n <= 5; n++) {
    await peer.set({ contextId: 'a', value: { n, text: `${n}`.repeat(n % 2 === 0 ? 1_500_000 : 10) } });
  }
  for (let from = 0; from <= 5; from++) {
    const deltas = [];
    let pageToken = '';
    do {
      const page = await peer.deltas({ contextId: 'a', fromVersion: from, pageToken });
      t.true(page.deltas.length > 0 || page.nextPageToken === '', `after ${from}: an empty page that is not the last`);
      deltas.push(...page.deltas);
      t.false(page.truncated);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    t.deepEqual(
      deltas.map((delta) => delta.to!.version),
      Array.from({ length: 5 - from }, (_, i) => from + 1 + i),
    );
    if (from === 0) t.deepEqual(fold(deltas).value, await peer.document('a'));
  }
});

test('a page holds as many deltas as were asked for', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  for (let n = 1; n <= 7; n++) await peer.set({ contextId: 'a', value: { n } });
  const first = await peer.deltas({ contextId: 'a', pageSize: 3 });
  const second = await peer.deltas({ contextId: 'a', pageSize: 3, pageToken: first.nextPageToken });
  const third = await peer.deltas({ contextId: 'a', pageSize: 3, pageToken: second.nextPageToken });
  const versions = [first, second, third].map(({ deltas }) => deltas.map(({ to }) => to!.version));
  t.deepEqual(versions, [[1, 2, 3], [4, 5, 6], [7]]);
  t.is(third.nextPageToken, '');
});
