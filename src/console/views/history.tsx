/** The versions of a context, newest first: when, who, what. */
import { useEffect, useState } from 'preact/hooks';
import type { Delta } from '../../../clients/typescript/src/model.js';
import { deltasUpTo, oldestVersion, type VersionPage } from '../api.js';
import { type Live, useLoad } from '../hooks.js';
import { Age, Authorship, Places, Problem } from '../parts.js';
import { linkTo } from '../state.js';
import { Revert } from './revert.js';

/** Versions that are read at once. */
const PAGE = 50;
const PLACES = 5;

/** The versions up to `upper`. A page ends at about 1 MiB: where it does so before `upper`, fewer versions are asked for. */
async function versionsUpTo(id: string, upper: number, signal: AbortSignal): Promise<VersionPage> {
  for (let count = PAGE; ; count = Math.max(1, Math.floor(count / 4))) {
    const page = await deltasUpTo(id, upper, count, signal);
    const deltas = page.deltas.slice(-PAGE);
    if (count === 1 || !page.more || deltas.at(-1)?.to.version === upper) return { ...page, deltas };
  }
}

export function HistoryView({ id, live }: { readonly id: string; readonly live: Live }) {
  const { version: head, epoch } = live.document!.position;
  // The newest version of each page up to the one that is shown; the first page follows the head.
  const [uppers, setUppers] = useState<readonly number[]>([]);
  const upper = uppers.at(-1) ?? head;
  const { value, error, loading } = useLoad((signal) => versionsUpTo(id, upper, signal), [id, epoch, upper]);
  const { value: first = 0 } = useLoad((signal) => oldestVersion(id, head, signal), [id, epoch]);
  useEffect(() => setUppers([]), [id, epoch]);
  const oldest = value?.deltas[0];
  const isLast = !oldest || oldest.from.version <= first;
  return (
    <>
      {error && <Problem error={error} />}
      <ol class={loading ? 'history loading' : 'history'} aria-label="Versions, newest first" aria-busy={loading}>
        {value?.deltas.toReversed().map((delta) => (
          <Entry key={delta.to.version} id={id} delta={delta} live={live} />
        ))}
      </ol>
      {value?.deltas.length === 0 && <p class="hint">The changes of these versions are no longer retained.</p>}
      <footer class="pages">
        <button type="button" disabled={uppers.length === 0} onClick={() => setUppers(uppers.slice(0, -1))}>
          Newer
        </button>
        <button type="button" disabled={isLast} onClick={() => setUppers([...uppers, oldest!.from.version])}>
          Older
        </button>
        {value && isLast && oldest && oldest.from.version > 0 && (
          <span class="hint">Older changes are no longer retained.</span>
        )}
      </footer>
    </>
  );
}

function Entry({ id, delta, live }: { readonly id: string; readonly delta: Delta; readonly live: Live }) {
  const { from, to, updatedAt, changes } = delta;
  const { version } = to;
  const head = live.document!.position.version;
  return (
    <li>
      <a class="version" href={linkTo({ id, version })} aria-label={`Version ${version}`}>
        {version.toLocaleString('en')}
      </a>
      <Age at={updatedAt} />
      <span class="who">
        {version - from.version > 1 && <span class="hint">{version - from.version} versions, merged</span>}
        <Authorship by={delta.provenance} />
      </span>
      <Places changes={changes} most={PLACES} />
      <span class="actions">
        {from.version > 0 && (
          <a href={linkTo({ id, tab: 'compare', from: from.version, to: version })}>
            What changed<span class="hidden"> in version {version}</span>
          </a>
        )}
        {version < head && (
          <a href={linkTo({ id, tab: 'compare', from: version, to: head })}>
            To now<span class="hidden"> from version {version}</span>
          </a>
        )}
        {version < head && <Revert id={id} version={version} live={live} />}
      </span>
    </li>
  );
}
