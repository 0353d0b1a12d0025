/** One context: where it stands, and its document, history, comparisons and editor. */
import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { type Live, useLive } from '../hooks.js';
import { visible } from '../json/visible.js';
import { Age, Problem } from '../parts.js';
import { type HashRoute, linkTo, route, TABS, type Tab, useCell } from '../state.js';
import { BlameView } from './blame.js';
import { CompareView } from './compare.js';
import { Create } from './create.js';
import { DocumentView } from './document.js';
import { EditView } from './edit.js';
import { HistoryView } from './history.js';

const NAMES = { document: 'Document', history: 'History', compare: 'Compare', blame: 'Blame', edit: 'Edit' };
const STATES: Readonly<Record<Live['state'], string>> = {
  connecting: 'connecting',
  live: 'live',
  absent: 'does not exist',
  deleted: 'deleted',
  refused: 'refused',
};

export function ContextView({ id }: { readonly id: string }) {
  const place = useCell(route);
  const live = useLive(id);
  const tabs = useKeptFocus(place.tab, live.state === 'absent');
  useEffect(() => {
    document.title = `${visible(id)} · Chord`;
    return () => {
      document.title = 'Chord';
    };
  }, [id]);
  return (
    <section class="pane" aria-label={`Context ${visible(id)}`}>
      <header class="title">
        <a class="back" href={linkTo({})} aria-label="Back to the list">
          ‹
        </a>
        <h1>{visible(id)}</h1>
        <span class={`state ${live.state}`} role="status">
          {STATES[live.state]}
        </span>
      </header>
      {live.state === 'absent' && <Create id={id} />}
      {live.document && <Facts live={live} />}
      <nav ref={tabs} class="tabs" aria-label="Parts of the context">
        {TABS.map((tab) => (
          <a key={tab} href={linkTo({ id, tab })} aria-current={place.tab === tab ? 'page' : undefined}>
            {NAMES[tab]}
          </a>
        ))}
      </nav>
      {live.error && live.state !== 'live' && <Problem error={live.error} />}
      <Part place={place} id={id} live={live} />
    </section>
  );
}

/** After a write the button that began it may be gone, and the focus with it: it goes to the tab that is shown. */
function useKeptFocus(tab: Tab, absent: boolean): RefObject<HTMLElement | null> {
  const tabs = useRef<HTMLElement>(null);
  const before = useRef({ tab, absent });
  useEffect(() => {
    const isCreated = before.current.absent && !absent;
    if ((isCreated || before.current.tab !== tab) && document.activeElement === document.body)
      tabs.current!.querySelector<HTMLElement>('[aria-current=page]')!.focus();
    before.current = { tab, absent };
  }, [tab, absent]);
  return tabs;
}

function Facts({ live: { document } }: { readonly live: Live }) {
  const { position, createdAt, updatedAt, expiresAt } = document!;
  return (
    <dl class="facts">
      <div>
        <dt>Version</dt>
        <dd>{position.version.toLocaleString('en')}</dd>
      </div>
      <div>
        <dt>Changed</dt>
        <dd>
          <Age at={updatedAt} />
        </dd>
      </div>
      <div>
        <dt>Created</dt>
        <dd>
          <Age at={createdAt} />
        </dd>
      </div>
      {expiresAt && (
        <div>
          <dt>Expires</dt>
          <dd>{expiresAt.toLocaleString()}</dd>
        </div>
      )}
      <div>
        <dt>Position</dt>
        <dd class="mono">
          {position.epoch}:{position.version}:{position.digest}
        </dd>
      </div>
    </dl>
  );
}

interface PartProps {
  readonly place: HashRoute;
  readonly id: string;
  readonly live: Live;
}

function Part({ place, id, live }: PartProps) {
  if (live.document === undefined) return null;
  switch (place.tab) {
    case 'history':
      return <HistoryView id={id} live={live} />;
    case 'compare':
      return <CompareView id={id} head={live.document.position.version} from={place.from} to={place.to} />;
    case 'blame':
      return <BlameView id={id} live={live} />;
    case 'edit':
      return <EditView id={id} live={live} />;
    default:
      return <DocumentView id={id} live={live} version={place.version} />;
  }
}
