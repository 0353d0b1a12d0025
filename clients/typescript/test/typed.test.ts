/** Documents as the program's own types. */
import test from 'ava';
import { type ChordError, Replica } from '../src/index.js';
import { connected, startServer } from './support/server.js';

interface Room {
  readonly topic: string;
  readonly members: Record<string, Member>;
  readonly closed?: boolean | undefined;
}

interface Member {
  readonly age: number;
  readonly nick?: string | undefined;
}

test('interfaces are sent and read, members that are undefined left out', async (t) => {
  const client = connected(t, await startServer(t, '--backend', 'memory'));
  const room: Room = { topic: 'daily', members: { ann: { age: 40, nick: undefined } }, closed: undefined };
  await client.set('room', room);
  const { value } = await client.get<Room>('room');
  t.is(value.members.ann?.age, 40);
  t.deepEqual(value as object, { topic: 'daily', members: { ann: { age: 40 } } });

  const bob: Member = { age: 20, nick: undefined };
  await client.update('room', { changes: { closed: undefined }, mutations: [{ path: ['members', 'bob'], set: bob }] });
  const replica = new Replica(client, ['room']);
  await replica.ready;
  t.deepEqual(replica.get<Room>('room')?.members.bob, { age: 20 });
  await replica.close();

  // What an edit takes away by undefined is removed; what was undefined before is no difference.
  const edited = await client.edit<Room>('room', (document) => ({
    ...document,
    members: { ann: { age: 40, nick: undefined } },
    closed: undefined,
  }));
  t.is(edited.position.version, 3);
  t.deepEqual((await client.get('room')).value, { topic: 'daily', members: { ann: { age: 40 } } });
  const same = await client.edit<Room>('room', (document) => ({ ...document, closed: undefined }));
  t.false(same.changed);

  // In a list there would be a hole.
  const list = { l: [1, undefined] };
  const error = await t.throwsAsync<ChordError>(client.set('room', list as object));
  t.deepEqual([error.reason, error.violations[0]?.field], ['INVALID_ARGUMENT', 'value.l[1]']);
  // @ts-expect-error a Date is no JSON: its methods are none
  const date = await t.throwsAsync<ChordError>(client.set('room', { at: new Date() }));
  t.is(date.violations[0]?.field, 'value.at');
});
