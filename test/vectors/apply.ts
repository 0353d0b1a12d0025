/** Documents, deltas, and what comes of them. */
import assert from 'node:assert';
import { apply, type Changes, diff, equal, invert, merge } from '../../src/delta/index.js';
import { type Change, type ChangeAction, Delta } from '../../src/gen/chord/v1/model.js';
import type { JsonObject } from '../../src/model/model.js';
import { applyCases } from './apply-cases.js';
import { toProto } from './proto.js';
import { textCases } from './text-cases.js';

export interface ApplyVector {
  readonly name: string;
  readonly document: JsonObject;
  /** For the reader; the client gets `wire`. */
  readonly changes?: Changes;
  /** chord.v1.Delta, base64. */
  readonly wire: string;
  /** Absent: the delta does not fit. */
  readonly value?: JsonObject;
}

export function applyVectors(): ApplyVector[] {
  return [...byHand(), ...merged(), ...incomplete()];
}

/** Cases whose results are written by hand; the server's own code must agree. */
function byHand(): ApplyVector[] {
  return [...applyCases, ...textCases].map(([name, documentText, changesText, resultText]) => {
    const document = JSON.parse(documentText) as JsonObject;
    const changes = JSON.parse(changesText) as Changes;
    const value = resultText === null ? undefined : (JSON.parse(resultText) as JsonObject);
    if (value === undefined) assert.throws(() => apply(changes, document), { name: 'DeltaMismatch' }, name);
    else assert(equal(apply(changes, document), value), name);
    return { name, document, changes, wire: wireOf(changes.map(toProto)), ...(value && { value }) };
  });
}

/** Histories: what a client gets that missed all but the first document, and the way back. */
const histories: Readonly<Record<string, readonly string[]>> = {
  'members come and go': [
    '{"a":1,"b":{"c":1}}',
    '{"a":2,"b":{"c":1}}',
    '{"b":{"c":1,"d":null}}',
    '{"a":1,"b":{"d":{}}}',
  ],
  'a subtree is added, then changed below': [
    '{}',
    '{"a":{"b":{"c":1}}}',
    '{"a":{"b":{"c":2,"d":[1]}}}',
    '{"a":{"b":{"d":[1,2]}}}',
  ],
  'changed below, then removed': ['{"a":{"b":1,"c":2}}', '{"a":{"b":9,"c":2}}', '{}'],
  'changed below, then replaced': ['{"a":{"b":[1,2,3]}}', '{"a":{"b":[1,2,3,4]}}', '{"a":"text"}', '{"a":{"b":[]}}'],
  'splices at several places': [
    '{"l":[1,2,3,4,5,6]}',
    '{"l":[1,2,4,5,6]}',
    '{"l":[1,2,4,5,6,7]}',
    '{"l":[0,1,2,4,5,6,7]}',
    '{"l":[0,1,2,4,6,7]}',
  ],
  'a list becomes an object': ['{"l":[1,2]}', '{"l":[1,2,3]}', '{"l":{"0":1}}', '{"l":{}}'],
  'hostile keys': [
    '{"__proto__":{"a":1}}',
    '{"__proto__":{"a":2},"constructor":{}}',
    '{"__proto__":{"a":2,"":{"a/b":[]}},"constructor":{"x":null}}',
  ],
  'zero loses and gains its sign': ['{"z":0,"l":[0,1]}', '{"z":-0.0,"l":[0,1]}', '{"z":-0.0,"l":[-0.0,1]}'],
  'text grows': [
    '{"t":""}',
    '{"t":"once upon a time "}',
    '{"t":"once upon a time there was "}',
    '{"t":"once upon a time there was \ud834\udd1e and "}',
  ],
  'text with astral code points is edited': [
    '{"t":"\ud834\udd1e\ud834\udd1e\ud834\udd1e, three clefs in a row, and the rest of it"}',
    '{"t":"\ud834\udd1e\ud834\udd1f\ud834\udd1e, three clefs in a row, and the rest of it"}',
    '{"t":"\ud834\udd1e\ud834\udd1f\ud834\udd1e, e\u0301, three clefs in a row, and the rest"}',
  ],
  'text becomes a list': ['{"t":"a text of some length"}', '{"t":"a text of some length!"}', '{"t":["a"]}'],
  'nothing remains of it': ['{"a":1}', '{"a":2,"b":[1]}', '{"a":1}'],
};

function merged(): ApplyVector[] {
  return Object.entries(histories).flatMap(([name, texts]) => {
    const documents = texts.map((text) => JSON.parse(text) as JsonObject);
    const first = documents[0]!;
    const last = documents.at(-1)!;
    const changes = merge(documents.slice(1).map((document, i) => diff(documents[i]!, document)));
    assert(equal(apply(changes, first), last), name);
    const back = invert(changes);
    return [
      { name: `merged: ${name}`, document: first, changes, wire: wireOf(changes.map(toProto)), value: last },
      { name: `and back: ${name}`, document: last, changes: back, wire: wireOf(back.map(toProto)), value: first },
    ];
  });
}

/** What only bytes can say. None of it applies. */
function incomplete(): ApplyVector[] {
  const document = { a: 1, l: [1], s: 'text' };
  const base: Change = { path: ['a'], action: 2, value: undefined, oldValue: undefined, splice: undefined };
  const cases: [string, Partial<Change>][] = [
    ['unspecified action', { action: 0 }],
    ['unknown action', { action: 99 as ChangeAction, value: 2 }],
    ['modified without value', {}],
    ['added without value', { path: ['b'], action: 1 }],
    ['spliced without splice', { path: ['l'], action: 4 }],
    [
      'index and count overflow 32 bits',
      { path: ['l'], action: 4, splice: { index: 4294967295, removedCount: 2, removed: [], inserted: [] } },
    ],
    [
      'index and count of a text overflow 32 bits',
      { path: ['s'], action: 4, textSplice: { index: 4294967295, removedCount: 2, removed: '', inserted: '' } },
    ],
    [
      'a splice of a list for a string',
      { path: ['s'], action: 4, splice: { index: 0, removedCount: 1, removed: [], inserted: [] } },
    ],
    [
      'a splice of a text for a list',
      { path: ['l'], action: 4, textSplice: { index: 0, removedCount: 1, removed: '', inserted: '' } },
    ],
  ];
  return cases.map(([name, change]) => ({ name, document, wire: wireOf([{ ...base, ...change }]) }));
}

function wireOf(changes: Change[]): string {
  const position = (version: number) => ({ epoch: 'e', version, digest: `d${version}` });
  const delta = { contextId: 'a', from: position(1), to: position(2), changes, updatedAt: undefined };
  return Buffer.from(Delta.encode({ ...delta, formatted: undefined, inexpressible: '' }).finish()).toString('base64');
}
