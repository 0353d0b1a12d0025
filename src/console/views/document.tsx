/** The document: live, with what just changed; or as it was at the version of the slider. */
import { useMemo, useRef } from 'preact/hooks';
import { getContext, type KeptVersions, keptAround, oldestVersion } from '../api.js';
import { type Live, useLoad } from '../hooks.js';
import { marksOf, NO_MARKS } from '../json/marks.js';
import { Tree } from '../json/tree.js';
import { Age, Authorship, Places, Problem } from '../parts.js';
import { linkTo, moveTo } from '../state.js';
import { Revert } from './revert.js';

/** Places that the line of the last change names. */
const PLACES = 4;

interface DocumentProps {
  readonly id: string;
  readonly live: Live;
  /** Undefined: the current one. */
  readonly version: number | undefined;
}

export function DocumentView({ id, live, version }: DocumentProps) {
  const { version: head, epoch } = live.document!.position;
  const isPast = version !== undefined && version < head;
  const { value, error } = useLoad(
    async (signal) => (isPast ? keptAround(id, version, signal) : undefined),
    [id, epoch, isPast ? version : undefined],
  );
  const around = value?.version === version ? value : undefined;
  return (
    <>
      <Slider id={id} epoch={epoch} head={head} version={isPast ? version : head} around={around} />
      {isPast && error && <Problem error={error} />}
      {isPast ? <Past id={id} version={version} around={around} live={live} /> : <Current live={live} />}
    </>
  );
}

function Current({ live: { document, delta } }: { readonly live: Live }) {
  const round = useRef(0);
  const marks = useMemo(() => {
    round.current++;
    return delta ? marksOf(delta.changes) : NO_MARKS;
  }, [document]);
  return (
    <>
      <p class="change" aria-live="polite">
        {delta && delta.changes.length > 0 ? (
          <>
            <span class="hint">Just changed</span>
            <Places changes={delta.changes} most={PLACES} />
            <Authorship by={delta.provenance} />
          </>
        ) : (
          <span class="hint">What changes from now on is marked.</span>
        )}
      </p>
      <Tree value={document!.value} label="Document" marks={marks} round={round.current} />
    </>
  );
}

interface PastProps {
  readonly id: string;
  /** The version that is asked for. */
  readonly version: number;
  /** Undefined: not known yet. */
  readonly around: KeptVersions | undefined;
  readonly live: Live;
}

/** Where the history was thinned, and this version is not kept: the one that is kept before it. */
function Past({ id, version, around, live }: PastProps) {
  const head = live.document!.position.version;
  const kept = around && !around.isKept ? (around.before ?? around.after ?? version) : version;
  const { value, error } = useLoad(
    async (signal) => (around ? getContext(id, kept, signal) : undefined),
    [id, kept, around === undefined],
  );
  return (
    <>
      <p class="change past">
        {value && (
          <span role="status">
            As of version {value.position.version.toLocaleString('en')}, <Age at={value.updatedAt} />
            {kept !== version && `: version ${version.toLocaleString('en')} is no longer retained`}
          </span>
        )}
        <a href={linkTo({ id })}>Back to live</a>
        <a href={linkTo({ id, tab: 'compare', from: kept, to: head })}>Compare with the current one</a>
        <Revert id={id} version={kept} live={live} />
      </p>
      {error && <Problem error={error} />}
      {value && <Tree value={value.value} label="Document, as it was" marks={NO_MARKS} round={0} />}
    </>
  );
}

interface SliderProps {
  readonly id: string;
  readonly epoch: string;
  readonly head: number;
  readonly version: number;
  readonly around: KeptVersions | undefined;
}

/** Moves over the versions that are retained: one step goes to the next one that is. */
function Slider({ id, epoch, head, version, around }: SliderProps) {
  const { value: oldest = head } = useLoad((signal) => oldestVersion(id, head, signal), [id, epoch]);
  const first = Math.max(1, Math.min(oldest, head));
  const { before = version - 1, after = version + 1 } = around ?? {};
  const go = (wanted: number) => {
    const to = wanted < version ? Math.min(wanted, before) : wanted > version ? Math.max(wanted, after) : wanted;
    moveTo({ id, ...(to < head && { version: Math.max(first, to) }) });
  };
  const step = (label: string, sign: string, to: number) => (
    <button type="button" aria-label={label} disabled={to < first || to > head} onClick={() => go(to)}>
      {sign}
    </button>
  );
  return (
    <div class="slider">
      {step('Version before', '‹', version - 1)}
      <input
        type="range"
        aria-label="Version"
        aria-valuetext={`version ${version} of ${head}`}
        min={first}
        max={head}
        value={version}
        disabled={first >= head}
        onInput={(event) => go(Number(event.currentTarget.value))}
      />
      {step('Version after', '›', version + 1)}
      <output>
        {version.toLocaleString('en')} <span class="hint">of {head.toLocaleString('en')}</span>
      </output>
    </div>
  );
}
