/** The contexts of the server: by prefix, page after page, searched for a part of the id. */
import { useEffect, useState } from 'preact/hooks';
import { type ContextPage, listContexts } from '../api.js';
import { useLoad } from '../hooks.js';
import { visible } from '../json/visible.js';
import { Age, Problem } from '../parts.js';
import { linkTo, moveTo, route, useCell } from '../state.js';
import { Create } from './create.js';

/** Contexts on a page. */
const PAGE = 100;
/** A search reads that many contexts, then asks before it reads on. */
const SCAN_PAGE = 1000;
const SCAN_MAX = 20_000;
/** Milliseconds after which a page without a search is read again. */
const AGAIN = 5000;

interface Found extends ContextPage {
  /** Contexts that were read. */
  readonly read: number;
}

async function findContexts(prefix: string, find: string, from: string, signal: AbortSignal): Promise<Found> {
  if (find === '') {
    const page = await listContexts(prefix, from, PAGE, signal);
    return { ...page, read: page.contexts.length };
  }
  const found: Found['contexts'][number][] = [];
  let read = 0;
  let next = from;
  do {
    const page = await listContexts(prefix, next, SCAN_PAGE, signal);
    found.push(...page.contexts.filter(({ contextId }) => contextId.includes(find)));
    read += page.contexts.length;
    next = page.next;
  } while (next !== '' && found.length < PAGE && read < SCAN_MAX);
  return { contexts: found, next, read };
}

export function ContextList() {
  const { prefix, find, id } = useCell(route);
  const [round, setRound] = useState(0);
  // The page tokens up to the page that is shown.
  const [tokens, setTokens] = useState({ of: `${prefix}\n${find}`, list: [''] });
  const of = `${prefix}\n${find}`;
  const list = tokens.of === of ? tokens.list : [''];
  const from = list.at(-1)!;
  const { value, error, loading } = useLoad(
    async (signal) => ({ ...(await findContexts(prefix, find, from, signal)), of, from }),
    [of, from, round],
  );
  // While a page is read, the one before is shown.
  const isCurrent = value?.of === of && value.from === from;
  useEffect(() => {
    const again = () => document.hidden || find !== '' || error || setRound((before) => before + 1);
    const timer = setInterval(again, AGAIN);
    return () => clearInterval(timer);
  }, [find, error]);
  return (
    <aside class="list" aria-label="Contexts">
      <Filters prefix={prefix} find={find} />
      {error && <Problem error={error} />}
      <nav class={loading ? 'rows loading' : 'rows'} aria-label="Contexts" aria-busy={loading}>
        {value?.contexts.map(({ contextId, position, updatedAt }) => (
          <a
            key={contextId}
            href={linkTo({ id: contextId })}
            aria-current={contextId === id ? 'page' : undefined}
            title={visible(contextId)}
          >
            <span class="id">{visible(contextId)}</span>
            <span class="figures">
              {position.version} <Age at={updatedAt} />
            </span>
          </a>
        ))}
        {value?.contexts.length === 0 && <p class="hint">No context here.</p>}
      </nav>
      <footer>
        <Create id={prefix} />
        <span class="hint" role="status">
          {isCurrent ? summary(value, find, list.length) : !error && 'reading…'}
        </span>
        <button type="button" class="quiet" onClick={() => setRound(round + 1)} aria-label="Read the list again">
          ↻
        </button>
        <button
          type="button"
          onClick={() => setTokens({ of, list: list.slice(0, -1) })}
          disabled={list.length === 1}
          aria-label="Previous page"
        >
          ‹
        </button>
        <button
          type="button"
          onClick={() => isCurrent && setTokens({ of, list: [...list, value.next] })}
          disabled={!value?.next}
          aria-label="Next page"
        >
          ›
        </button>
      </footer>
    </aside>
  );
}

function summary({ contexts, read, next }: Found, find: string, page: number): string {
  const count = contexts.length.toLocaleString('en');
  if (find === '') return `page ${page}, ${count} ${contexts.length === 1 ? 'context' : 'contexts'}`;
  const searched = `${count} of ${read.toLocaleString('en')} read${next ? ', more to search: ›' : ''}`;
  return page === 1 ? searched : `page ${page}, ${searched}`;
}

function Filters({ prefix, find }: { readonly prefix: string; readonly find: string }) {
  const field = (label: string, value: string, place: (text: string) => object) => (
    <label>
      {label}
      <input
        type="search"
        spellcheck={false}
        value={value}
        onInput={(event) => moveTo({ ...route.value, ...place(event.currentTarget.value) })}
      />
    </label>
  );
  return (
    <search class="filters">
      {field('Prefix', prefix, (text) => ({ prefix: text }))}
      {field('Contains', find, (text) => ({ find: text }))}
    </search>
  );
}
