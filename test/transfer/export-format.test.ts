/** Exports as text: what is written is read again, also from a store that formats JSON anew, one record at a time. */
import test from 'ava';
import { encodeProvenance } from '../../src/codec/provenance.js';
import type { ExportedLife } from '../../src/contexts/import-history.js';
import { Pace } from '../../src/contexts/long-work.js';
import type { ChordError } from '../../src/model/errors.js';
import type { JsonObject } from '../../src/model/model.js';
import { fromText, toText } from '../../src/transfer/export-format.js';
import { turnsOf } from '../support/turns.js';

/** Members that look like what an export is made of. */
const TRICKY: JsonObject[] = [
  {},
  { history: [{ version: 1 }] },
  { a: 1, history: [{ version: 1, digest: '' }, { version: 2 }] },
  { o: { a: 1, history: [{ version: 1 }] }, text: ',"history":[{"version":1},{"version":2}]}' },
];

function lifeOf(value: JsonObject, count: number, bytes = 10): ExportedLife {
  const history = Array.from({ length: count }, (_, i) => ({
    position: { epoch: 'e', version: i + 1, digest: `d${i}` },
    at: 1000 + i,
    changes: Buffer.alloc(bytes, i),
    olds: Buffer.alloc(bytes, 1),
    ...(i % 2 === 0 && { provenance: encodeProvenance('ann', { note: '},{"version":7}]}', history: '[' })! }),
  }));
  const position = { epoch: 'e', version: Math.max(1, count), digest: 'd' };
  return { id: 'a', exportedAt: 3, position, createdAt: 1, updatedAt: 2, ttl: 5, value, ...(count > 0 && { history }) };
}

test('what is written is read again, as it was or formatted anew', async (t) => {
  for (const value of TRICKY) {
    for (const count of [0, 1, 3]) {
      const life = lifeOf(value, count);
      const text = await toText(life, new Pace());
      const { value: own, ...others } = JSON.parse(text);
      // The value last, as a table of JSON may give it; and with spaces.
      for (const each of [text, JSON.stringify({ ...others, value: own }), JSON.stringify(JSON.parse(text), null, 1)]) {
        t.deepEqual(await fromText(each, 'a', new Pace()), life);
      }
    }
  }
});

test('a text that is cut or damaged is refused', async (t) => {
  const text = await toText(lifeOf({}, 3), new Pace());
  for (const broken of [
    text.slice(0, -1),
    text.slice(0, -20),
    text.replace('"digest":"d1"', '"digest":7'),
    text.replace(',{"version":2', ',{"version":"2"'),
    text.replace(/"history":\[\{.*$/, '"history":{}}'),
  ]) {
    const error = await t.throwsAsync<ChordError>(fromText(broken, 'a', new Pace()));
    t.is(error!.reason, 'DATA_LOSS');
  }
});

test('a large history is read in steps', async (t) => {
  const text = await toText(lifeOf({}, 40, 300_000), new Pace());
  t.true((await turnsOf(fromText(text, 'a', new Pace()))) >= 10);
});
