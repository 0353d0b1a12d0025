/** A chat room in plain HTML. `npx tsx examples/serve-web.ts` serves it; the server is named by `?server=`, the guest by `?name=`. */
import { connect, Replica } from 'chordstate/web';

interface Room {
  readonly participants: Readonly<Record<string, unknown>>;
  readonly messages: readonly { readonly from: string; readonly text: string }[];
}

const ROOM = 'room:web';
const query = new URLSearchParams(location.search);
const name = query.get('name') ?? `guest ${Math.floor(1000 * Math.random())}`;
const client = connect(query.get('server') ?? 'http://127.0.0.1:8080');
const replica = new Replica(client, [ROOM]);

const element = (id: string) => document.getElementById(id)!;
const items = (texts: readonly string[]) =>
  texts.map((text) => Object.assign(document.createElement('li'), { textContent: text }));

function show(): void {
  const { participants = {}, messages = [] }: Partial<Room> = replica.get(ROOM) ?? {};
  element('state').textContent = replica.live ? `live, as ${name}` : 'reconnecting';
  element('guests').replaceChildren(...items(Object.keys(participants).sort()));
  element('messages').replaceChildren(...items(messages.map(({ from, text }) => `${from}: ${text}`)));
}

replica.on('change', show);
replica.on('caughtUp', show);
replica.on('disconnect', show);

element('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const input = element('text') as HTMLInputElement;
  void client.update(ROOM, { mutations: [{ path: ['messages'], append: [{ from: name, text: input.value }] }] });
  input.value = '';
});

// The guest is in the room as long as the page renews this member.
const presence = await client.presence(ROOM, ['participants', name], true, 5000);
addEventListener('pagehide', () => void presence.close());
