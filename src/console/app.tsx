/** The frame of the page: the way between the views, the theme, and the token where the server asks for one. */
import { asked, chooseTheme, chooseToken, linkTo, route, theme, token, useCell } from './state.js';
import { ContextView } from './views/context.js';
import { ContextList } from './views/contexts.js';
import { ServerView } from './views/server.js';
import { TokenForm } from './views/token.js';

export function App() {
  const { view, id } = useCell(route);
  const reason = useCell(asked);
  return (
    <>
      <Bar />
      {reason !== undefined && <TokenForm reason={reason} />}
      {view === 'server' ? (
        <ServerView />
      ) : (
        <main class={id === undefined ? 'split' : 'split open'}>
          <ContextList />
          {id === undefined ? <Welcome /> : <ContextView key={id} id={id} />}
        </main>
      )}
    </>
  );
}

function Bar() {
  const { view } = useCell(route);
  const shown = useCell(theme);
  const held = useCell(token);
  const other = shown === 'dark' ? 'light' : 'dark';
  const current = (is: boolean) => (is ? ('page' as const) : undefined);
  return (
    <header class="bar">
      <a class="name" href={linkTo({})}>
        <Mark />
        Chord
      </a>
      <nav aria-label="Views">
        <a href={linkTo({})} aria-current={current(view === 'contexts')}>
          Contexts
        </a>
        <a href={linkTo({ view: 'server' })} aria-current={current(view === 'server')}>
          Server
        </a>
      </nav>
      <span class="space" />
      {held !== undefined && (
        <button type="button" class="quiet" onClick={() => chooseToken(undefined)}>
          Forget token
        </button>
      )}
      <button type="button" class="quiet" onClick={() => chooseTheme(other)} aria-label={`Switch to ${other} colours`}>
        {shown === 'dark' ? '☀' : '☾'}
      </button>
    </header>
  );
}

/** Three notes as one. */
function Mark() {
  return (
    <svg width="18" height="18" viewBox="0 0 16 16" aria-hidden="true">
      <rect x="1" y="9" width="14" height="3" rx="1.5" fill="currentColor" />
      <rect x="1" y="4.5" width="10" height="3" rx="1.5" fill="currentColor" opacity="0.65" />
      <rect x="1" y="0" width="6" height="3" rx="1.5" fill="currentColor" opacity="0.35" />
    </svg>
  );
}

function Welcome() {
  return (
    <section class="pane empty">
      <p class="hint">Choose a context to see its document, live.</p>
    </section>
  );
}
