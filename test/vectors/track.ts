/** Messages of watch streams with broken connections between, and what a watch makes of them. */
import { FullReason } from '../../src/gen/chord/v1/model.js';
import { DeletedReason } from '../../src/gen/chord/v1/sync_service.js';
import {
  absent,
  at,
  caughtUp,
  closing,
  connect,
  deleted,
  delivered,
  delta,
  full,
  gap,
  heartbeat,
  instead,
  kept,
  message,
  swallowed,
  type TrackVector,
  unknownDeleted,
  whole,
} from './track-steps.js';

export type { TrackVector } from './track-steps.js';

const a = [{ id: 'a' }];
const both = [{ id: 'a' }, { prefix: 'p:' }];

export function trackVectors(): TrackVector[] {
  return [
    {
      name: 'a document and its deltas',
      targets: a,
      steps: [
        connect({}),
        delivered(full('a', at(1))),
        delivered(caughtUp),
        delivered(delta('a', at(1), at(2))),
        delivered(delta('a', at(2), at(5))),
        connect({ a: at(5) }),
      ],
    },
    {
      name: 'resumes by position',
      targets: both,
      steps: [
        connect({}, {}),
        delivered(full('a', at(3))),
        delivered(full('p:1', at(7))),
        delivered(caughtUp),
        connect({ a: at(3) }, { 'p:1': at(7) }),
        delivered(delta('p:1', at(7), at(9))),
        delivered(caughtUp),
        connect({ a: at(3) }, { 'p:1': at(9) }),
      ],
    },
    {
      name: 'starts from known positions',
      targets: both,
      known: { a: at(2), 'p:x': at(1), elsewhere: at(9) },
      steps: [connect({ a: at(2) }, { 'p:x': at(1) }), delivered(delta('a', at(2), at(3)))],
    },
    {
      name: 'an id that two targets cover',
      targets: [{ prefix: '' }, { id: 'p:1' }, { prefix: 'p:' }],
      known: { 'p:1': at(1), q: at(2) },
      steps: [connect({ 'p:1': at(1), q: at(2) }, { 'p:1': at(1) }, { 'p:1': at(1) })],
    },
    {
      name: 'a version alone fits',
      targets: a,
      known: { a: { epoch: '', version: 2, digest: '' } },
      steps: [
        connect({ a: { epoch: '', version: 2, digest: '' } }),
        delivered(delta('a', at(2), at(3))),
        connect({ a: at(3) }),
      ],
    },
    {
      name: 'a hostile id',
      targets: [{ prefix: '' }],
      steps: [
        connect({}),
        delivered(full('__proto__', at(1))),
        delivered(full('constructor', at(2))),
        delivered(delta('__proto__', at(1), at(2))),
        connect(
          Object.fromEntries([
            ['__proto__', at(2)],
            ['constructor', at(2)],
          ]),
        ),
      ],
    },

    {
      name: 'a full in between: recreated',
      targets: a,
      steps: [
        connect({}),
        delivered(full('a', at(4))),
        delivered(full('a', at(1, 'e2'), {}, FullReason.EPOCH_CHANGED)),
        delivered(delta('a', at(1, 'e2'), at(2, 'e2'))),
      ],
    },
    {
      name: 'every reason is told',
      targets: a,
      steps: [connect({}), ...[1, 2, 3, 4, 5, 6].map((reason) => delivered(full('a', at(reason), {}, reason)))],
    },
    {
      name: 'a full of the held position is swallowed',
      targets: a,
      steps: [
        connect({}),
        delivered(full('a', at(4))),
        swallowed(full('a', at(4))),
        delivered(full('a', at(4, 'e1', 'other'), {}, FullReason.DIVERGED)),
      ],
    },
    {
      name: 'an older version of the same epoch: the server lost it',
      targets: a,
      steps: [
        connect({}),
        delivered(full('a', at(4))),
        delivered(full('a', at(2), {}, FullReason.AHEAD)),
        delivered(delta('a', at(2), at(3))),
      ],
    },

    {
      name: 'deleted and recreated',
      targets: a,
      steps: [
        connect({}),
        delivered(full('a', at(1))),
        delivered(deleted('a', at(1))),
        connect({}),
        swallowed(absent('a')),
        delivered(caughtUp),
        delivered(full('a', at(1, 'e2'))),
      ],
    },
    {
      name: 'expired',
      targets: [{ prefix: 'p:' }],
      steps: [
        connect({}),
        delivered(full('p:1', at(1))),
        delivered(deleted('p:1', at(1), DeletedReason.EXPIRED)),
        connect({}),
      ],
    },
    {
      name: 'deleted, but not held: swallowed',
      targets: a,
      steps: [connect({}), delivered(absent('a')), swallowed(deleted('a', at(1)))],
    },
    {
      name: 'absent is told once',
      targets: a,
      steps: [
        connect({}),
        delivered(absent('a')),
        delivered(caughtUp),
        connect({}),
        swallowed(absent('a')),
        delivered(caughtUp),
        delivered(full('a', at(1))),
        delivered(deleted('a', at(1))),
        connect({}),
        swallowed(absent('a')),
      ],
    },
    {
      name: 'absent after a connection: it went meanwhile',
      targets: both,
      steps: [
        connect({}, {}),
        delivered(full('a', at(2))),
        delivered(full('p:1', at(3))),
        delivered(caughtUp),
        connect({ a: at(2) }, { 'p:1': at(3) }),
        instead(absent('a'), unknownDeleted('a', at(2))),
        instead(absent('p:1'), unknownDeleted('p:1', at(3))),
        delivered(caughtUp),
        connect({}, {}),
        swallowed(absent('a')),
      ],
    },
    {
      name: 'absent of a known position',
      targets: a,
      known: { a: at(2) },
      steps: [connect({ a: at(2) }), instead(absent('a'), unknownDeleted('a', at(2)))],
    },

    {
      name: 'heartbeat, closing and nothing are swallowed',
      targets: a,
      steps: [
        connect({}),
        swallowed(heartbeat),
        swallowed(closing),
        { response: message(undefined), events: [] },
        { response: Buffer.from([0xfa, 0x06, 0]).toString('base64'), events: [] },
      ],
    },

    {
      name: 'gap: not the held version',
      targets: a,
      steps: [
        connect({}),
        delivered(full('a', at(1))),
        gap(delta('a', at(2), at(3))),
        connect({}),
        delivered(full('a', at(3))),
        connect({ a: at(3) }),
      ],
    },
    {
      name: 'gap: another digest',
      targets: a,
      steps: [connect({}), delivered(full('a', at(1))), gap(delta('a', at(1, 'e1', 'other'), at(2))), connect({})],
    },
    {
      name: 'gap: another epoch',
      targets: a,
      steps: [connect({}), delivered(full('a', at(1))), gap(delta('a', at(1, 'e2'), at(2, 'e2'))), connect({})],
    },
    {
      name: 'gap: nothing is held',
      targets: a,
      steps: [connect({}), gap(delta('a', at(1), at(2))), connect({}), delivered(full('a', at(2)))],
    },
    {
      name: 'gap: the full comes even at the held position',
      targets: both,
      steps: [
        connect({}, {}),
        delivered(full('a', at(1))),
        delivered(full('p:1', at(1))),
        gap(delta('a', at(7), at(8))),
        connect({}, { 'p:1': at(1) }),
        delivered(full('a', at(1))),
        delivered(caughtUp),
        connect({ a: at(1) }, { 'p:1': at(1) }),
      ],
    },
    {
      name: 'gap: and then it is gone',
      targets: [{ prefix: 'p:' }],
      steps: [
        connect({}),
        delivered(full('p:1', at(1))),
        gap(delta('p:1', at(7), at(8))),
        connect({}),
        instead(caughtUp, unknownDeleted('p:1', at(1)), { event: 'caughtUp' }),
        connect({}),
      ],
    },

    ...batchVectors(),
    {
      name: 'too many positions: those that were left out and come again are swallowed',
      targets: [{ prefix: 'p:' }],
      knownBytesMax: 0,
      steps: [
        connect({}),
        delivered(full('p:1', at(1))),
        delivered(caughtUp),
        connect({}),
        swallowed(full('p:1', at(1))),
        delivered(caughtUp),
        connect({}),
        delivered(full('p:1', at(2))),
        delivered(caughtUp),
      ],
    },
    {
      name: 'too many positions: those that were left out and do not come are gone',
      targets: [{ prefix: 'p:' }],
      knownBytesMax: 0,
      steps: [
        connect({}),
        delivered(full('p:1', at(1))),
        delivered(caughtUp),
        connect({}),
        instead(caughtUp, unknownDeleted('p:1', at(1)), { event: 'caughtUp' }),
        connect({}),
        delivered(caughtUp),
      ],
    },
    {
      name: 'room for one position',
      targets: a,
      knownBytesMax: 41,
      known: { a: at(1) },
      steps: [connect({ a: at(1) })],
    },
    {
      name: 'no room for one position',
      targets: a,
      knownBytesMax: 40,
      known: { a: at(1) },
      steps: [connect({}), swallowed(full('a', at(1)))],
    },
  ];
}

/** Messages with `more`. */
function batchVectors(): TrackVector[] {
  const two = [{ id: 'a' }, { id: 'b' }];
  const began = [connect({}, {}), delivered(full('a', at(1))), delivered(full('b', at(1))), delivered(caughtUp)];
  const [a2, b2] = [delta('a', at(1), at(2)), delta('b', at(1), at(2))];
  return [
    {
      name: 'a batch is delivered when it is whole',
      targets: two,
      steps: [...began, kept(a2), whole(b2, a2.form, b2.form), delivered(delta('a', at(2), at(3)))],
    },
    {
      name: 'a batch of which the connection brings a part is dropped, with its positions',
      targets: two,
      steps: [
        ...began,
        kept(a2),
        connect({ a: at(1) }, { b: at(1) }),
        delivered(delta('b', at(1), at(2))),
        delivered(a2),
        delivered(caughtUp),
        connect({ a: at(2) }, { b: at(2) }),
      ],
    },
    {
      name: 'a batch with a full and a deletion',
      targets: [...two, { prefix: 'p:' }],
      steps: [
        connect({}, {}, {}),
        delivered(full('a', at(1))),
        delivered(absent('b')),
        delivered(full('p:1', at(1))),
        delivered(caughtUp),
        kept(deleted('a', at(1))),
        kept(full('b', at(1))),
        whole(full('p:2', at(1)), deleted('a', at(1)).form, full('b', at(1)).form, full('p:2', at(1)).form),
        connect({}, { b: at(1) }, { 'p:1': at(1), 'p:2': at(1) }),
      ],
    },
    {
      name: 'a batch of which the last message is swallowed ends with the one before',
      targets: two,
      steps: [...began, kept(a2), whole(full('b', at(1)), a2.form), delivered(b2)],
    },
    {
      name: 'a batch of which all is swallowed',
      targets: two,
      steps: [...began, kept(full('a', at(1))), swallowed(full('b', at(1))), delivered(a2)],
    },
    {
      name: 'a batch with a gap: nothing of it is delivered, and positions are those before it',
      targets: two,
      steps: [
        ...began,
        kept(a2),
        gap(delta('b', at(7), at(8))),
        connect({ a: at(1) }, {}),
        delivered(a2),
        delivered(full('b', at(8))),
        delivered(caughtUp),
        connect({ a: at(2) }, { b: at(8) }),
      ],
    },
    {
      name: 'a batch with a deletion and a gap: what was deleted is there again',
      targets: two,
      steps: [
        ...began,
        kept(deleted('a', at(1))),
        gap(delta('b', at(7), at(8))),
        connect({ a: at(1) }, {}),
        instead(absent('a'), unknownDeleted('a', at(1))),
      ],
    },
    {
      name: 'two changes of one context in a batch',
      targets: two,
      steps: [
        ...began,
        kept(a2),
        kept(b2),
        whole(delta('a', at(2), at(3)), a2.form, b2.form, delta('a', at(2), at(3)).form),
        connect({ a: at(3) }, { b: at(2) }),
      ],
    },
    {
      name: 'a heartbeat and a closing end no batch',
      targets: two,
      steps: [...began, kept(a2), swallowed(heartbeat), swallowed(closing), connect({ a: at(1) }, { b: at(1) })],
    },
  ];
}
