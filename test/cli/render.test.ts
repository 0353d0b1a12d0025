import { Writable } from 'node:stream';
import test from 'ava';
import { flushed } from '../../src/cli/output/output.js';
import { renderChange, renderEvent } from '../../src/cli/output/render.js';
import { paint, renderTable, type StyledText } from '../../src/cli/output/styled-text.js';
import { type Change, ChangeAction, FullReason } from '../../src/gen/chord/v1/model.js';
import { DeletedReason } from '../../src/gen/chord/v1/sync_service.js';

const text = (line: StyledText) => paint(line, { colour: false });

function change(action: ChangeAction, path: string[], rest: Partial<Change> = {}): Change {
  return { action, path, value: undefined, oldValue: undefined, splice: undefined, ...rest };
}

test('one line says what happened at a path', (t) => {
  const splice = (removed: unknown[], inserted: unknown[], removedCount = removed.length) =>
    change(ChangeAction.SPLICED, ['list'], { splice: { index: 20, removedCount, removed, inserted } });
  const textSplice = (index: number, removed: string, inserted: string) =>
    change(ChangeAction.SPLICED, ['answer'], {
      textSplice: { index, removedCount: [...removed].length, removed, inserted },
    });
  const cases: [Change, string][] = [
    [change(ChangeAction.ADDED, ['users', 'ann'], { value: { n: 1 } }), '+ users.ann = {"n":1}'],
    [change(ChangeAction.ADDED, ['a.b', ''], { value: null }), '+ ["a.b",""] = null'],
    [change(ChangeAction.MODIFIED, ['topic'], { value: 'weekly' }), '~ topic = "weekly"'],
    [change(ChangeAction.MODIFIED, ['topic'], { value: 2, oldValue: null }), '~ topic = 2 (was null)'],
    [change(ChangeAction.REMOVED, ['topic']), '- topic'],
    [change(ChangeAction.REMOVED, ['topic'], { oldValue: [] }), '- topic (was [])'],
    [textSplice(20, '', '𝄞e'), '~ answer[20] +2 = "𝄞e"'],
    [textSplice(0, '𝄞', ''), '~ answer[0] -1 (was "𝄞")'],
    [splice([], ['x']), '~ list[20] +1 = ["x"]'],
    [splice([], [], 3), '~ list[20] -3'],
    [splice([], [1, 2], 1), '~ list[20] -1 +2 = [1,2]'],
    [splice([0], [1, 2]), '~ list[20] -1 +2 = [1,2] (was [0])'],
  ];
  for (const [input, expected] of cases) t.is(text(renderChange(input)), expected);
});

test('watch events name the context and its version', (t) => {
  const position = { epoch: 'e', version: 7, digest: 'd' };
  const context = {
    contextId: 'room:1',
    value: { a: 1 },
    position,
    createdAt: undefined,
    updatedAt: undefined,
    expiresAt: undefined,
  };
  const lines = (event: Parameters<typeof renderEvent>[0]['event']) => renderEvent({ event, more: false }).map(text);
  t.deepEqual(lines({ $case: 'full', value: { context, reason: FullReason.INITIAL } }), ['room:1 7 = {"a":1}']);
  t.deepEqual(lines({ $case: 'full', value: { context, reason: FullReason.EPOCH_CHANGED } }), [
    'room:1 7 = {"a":1} (epoch changed)',
  ]);
  const changes = [change(ChangeAction.REMOVED, ['a']), change(ChangeAction.ADDED, ['b'], { value: 2 })];
  const rest = { contextId: 'room:1', from: undefined, to: position, updatedAt: undefined };
  const delta = { ...rest, changes, formatted: undefined, inexpressible: '' };
  t.deepEqual(lines({ $case: 'delta', value: delta }), ['room:1 7 - a', 'room:1 7 + b = 2']);
  t.deepEqual(lines({ $case: 'delta', value: { ...delta, changes: [], formatted: { a: null } } }), [
    'room:1 7 {"a":null}',
  ]);
  t.deepEqual(lines({ $case: 'delta', value: { ...delta, changes: [], inexpressible: 'null\n' } }), [
    'room:1 7 ! null\\u000a',
  ]);
  t.deepEqual(lines({ $case: 'deleted', value: { contextId: 'a b', position, reason: DeletedReason.EXPIRED } }), [
    '"a b" 7 expired',
  ]);
  t.deepEqual(lines({ $case: 'absent', value: { contextId: 'x' } }), ['x does not exist']);
  t.deepEqual(lines({ $case: 'heartbeat', value: { sentAt: undefined } }), []);
});

test('nothing that a server sends reaches a terminal as a control character', (t) => {
  const evil = '\u001b[2J\u009b\u202e\n\u007f';
  const line = text(renderChange(change(ChangeAction.ADDED, [evil], { value: evil })));
  t.notRegex(line, /[\p{Cc}\u202e]/u);
  const absent = renderEvent({ event: { $case: 'absent', value: { contextId: evil } }, more: false })
    .map(text)
    .join();
  t.notRegex(absent, /[\p{Cc}\u202e]/u);
});

test('lines are cut to the width of the terminal', (t) => {
  const line: StyledText = [
    ['plain', 'abc'],
    ['plain', 'defgh'],
  ];
  t.is(paint(line, { colour: false, width: 8 }), 'abcdefgh');
  t.is(paint(line, { colour: false, width: 7 }), 'abcdef…  '.trim());
  t.is(paint(line, { colour: false, width: 2 }), 'a…');
});

test('wide characters take two columns, combining ones none, and none is cut in two', (t) => {
  const cut = (text: string, width: number) => paint([['plain', text]], { colour: false, width });
  t.is(cut('日本語', 6), '日本語');
  t.is(cut('日本語', 5), '日本…');
  t.is(cut('日本語', 4), '日…');
  t.is(cut('👩‍👩‍👧x', 3), '👩‍👩‍👧x');
  t.is(cut('👩‍👩‍👧xy', 3), '👩‍👩‍👧…');
  t.is(cut('e\u0301e\u0301', 2), 'e\u0301e\u0301');
  t.deepEqual(
    renderTable(
      ['ID', 'N'],
      [
        ['日本', '1'],
        ['abc', '2'],
      ],
    ).map(text),
    ['ID    N', '日本  1', 'abc   2'],
  );
});

test('tables are aligned under their headings', (t) => {
  t.deepEqual(
    renderTable(
      ['ID', 'VERSION'],
      [
        ['long name', '1'],
        ['x', '12'],
      ],
    ).map(text),
    ['ID         VERSION', 'long name  1', 'x          12'],
  );
});

test('output is flushed when its reader has taken all of it, or has gone', async (t) => {
  const taken: string[] = [];
  let take: () => void = () => {};
  const slow = new Writable({
    write(chunk, _encoding, done) {
      take = () => {
        taken.push(String(chunk));
        done();
      };
    },
  });
  for (const line of ['one', 'two']) slow.write(line);
  let over = false;
  const end = flushed(slow).then(() => {
    over = true;
  });
  for (const _ of ['one', 'two']) {
    t.false(over);
    take();
    await new Promise((resolve) => setImmediate(resolve));
  }
  take();
  await end;
  t.deepEqual(taken.filter(Boolean), ['one', 'two']);
  const gone = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
  gone.on('error', () => t.fail('nothing was to be written'));
  await flushed(gone);
});
