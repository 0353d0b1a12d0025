/** The same chat room in React. */
import { useDocument, useLive } from 'chordstate/react';
import { connect, Replica } from 'chordstate/web';
import { type FormEvent, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

interface Room {
  readonly participants?: Readonly<Record<string, unknown>>;
  readonly messages?: readonly { readonly from: string; readonly text: string }[];
}

const ROOM = 'room:web';
const query = new URLSearchParams(location.search);
const name = query.get('name') ?? `guest ${Math.floor(1000 * Math.random())}`;
// One client and one replica for the page: components come and go.
const client = connect(query.get('server') ?? 'http://127.0.0.1:8080');
const replica = new Replica(client, [ROOM]);

function Lobby() {
  const { participants = {}, messages = [] } = useDocument<Room>(replica, ROOM) ?? {};
  const live = useLive(replica);
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get('text'));
    void client.update(ROOM, { mutations: [{ path: ['messages'], append: [{ from: name, text }] }] });
    event.currentTarget.reset();
  };
  return (
    <>
      <h1>The lobby</h1>
      <p role="status">{live ? `live, as ${name}` : 'reconnecting'}</p>
      <ul aria-label="In the room">
        {Object.keys(participants)
          .sort()
          .map((guest) => (
            <li key={guest}>{guest}</li>
          ))}
      </ul>
      <ol aria-label="Messages">
        {messages.map(({ from, text }, i) => (
          <li key={i}>{`${from}: ${text}`}</li>
        ))}
      </ol>
      <form onSubmit={send}>
        <label>
          Say <input name="text" autoComplete="off" required />
        </label>
        <button type="submit">Send</button>
      </form>
    </>
  );
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Lobby />
  </StrictMode>,
);

const presence = await client.presence(ROOM, ['participants', name], true, 5000);
addEventListener('pagehide', () => void presence.close());
