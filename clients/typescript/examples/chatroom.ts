/**
 * A guest in a chat room that guests in other languages share: joins, shows what happens, says a few lines, leaves.
 * `make demo` in the root seats five together; alone: `npx tsx examples/chatroom.ts [HOST:PORT]`.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, Replica } from 'chordstate';

interface Room {
  /** How many guests the talk waits for, if anybody set that. */
  seats: number;
  joined: number;
  participants: Record<string, { typing: boolean }>;
  messages: { from: string; text: string }[];
}

const ROOM = 'room:lobby';
const NAME = 'typescript';
const LINES = ['Hello, TypeScript here.', 'To me the room is a plain object.', 'Await you all again. Bye!'];

const client = connect(process.argv[2] ?? '127.0.0.1:50051');
const replica = new Replica(client, [ROOM]);
let shown = { here: '', messages: 0 };
replica.on('change', show);
await replica.ready;

// Goes when this guest leaves, or soon after it has died.
const presence = await client.presence(ROOM, ['participants', NAME], { typing: false }, 2000);
await client.update(ROOM, { mutations: [{ path: ['joined'], increment: 1 }] });
await until(({ joined, seats, participants }) => NAME in participants && joined >= seats);

for (const text of LINES) {
  await pause();
  await client.update(ROOM, { changes: { participants: { [NAME]: { typing: true } } } });
  await pause();
  await client.update(ROOM, {
    changes: { participants: { [NAME]: { typing: false } } },
    mutations: [{ path: ['messages'], append: [{ from: NAME, text }] }],
  });
}
await presence.close();

// The last one to leave made the last change.
await until(({ participants }) => Object.keys(participants).length === 0);
const { epoch, version, digest } = replica.position(ROOM)!;
console.log(`final ${epoch}:${version}:${digest} ${JSON.stringify(replica.get(ROOM))}`);
await replica.close();
await client.close();

/** The local copy as it is now: a read makes no call. */
function room(): Room {
  return { seats: 0, joined: 0, participants: {}, messages: [], ...replica.get(ROOM) };
}

/** Prints what is new: several changes may have come as one. */
function show(): void {
  const { participants, messages } = room();
  const names = Object.keys(participants).sort();
  const typing = names.filter((name) => participants[name]?.typing);
  const here = names.join(', ') || 'no one';
  const version = `v${replica.position(ROOM)?.version}`.padEnd(4);
  for (const { from, text } of messages.slice(shown.messages)) {
    console.log(`${version} ${from}: ${text}${typing.length > 0 ? `  (typing: ${typing.join(', ')})` : ''}`);
  }
  if (here !== shown.here) console.log(`${version} in the room: ${here}`);
  shown = { here, messages: messages.length };
}

async function until(met: (room: Room) => boolean): Promise<void> {
  while (!met(room())) await once(replica, 'change');
}

function pause(): Promise<void> {
  return sleep(200 + 500 * Math.random());
}
