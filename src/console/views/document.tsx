/** The document: live, with what just changed; or as it was at the version of the slider. */
import { useMemo, useRef } from 'preact/hooks';
import { getContext, oldestVersion } from '../api.js';
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
  return (
    <>
      <Slider id={id} epoch={epoch} head={head} version={isPast ? version : head} />
      {isPast ? <Past id={id} version={version} live={live} /> : <Current live={live} />}
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
            <Authorship delta={delta} />
          </>
        ) : (
          <span class="hint">What changes from now on is marked.</span>
        )}
      </p>
      <Tree value={document!.value} label="Document" marks={marks} round={round.current} />
    </>
  );
}

function Past({ id, version, live }: { readonly id: string; readonly version: number; readonly live: Live }) {
  const head = live.document!.position.version;
  const { value, error } = useLoad((signal) => getContext(id, version, signal), [id, version]);
  return (
    <>
      <p class="change past">
        {value && (
          <span>
            As of version {value.position.version.toLocaleString('en')}, <Age at={value.updatedAt} />
          </span>
        )}
        <a href={linkTo({ id })}>Back to live</a>
        <a href={linkTo({ id, tab: 'compare', from: version, to: head })}>Compare with the current one</a>
        <Revert id={id} version={version} live={live} />
      </p>
      {error && <Problem error={error} />}
      {value && <Tree value={value.value} label="Document, as it was" marks={NO_MARKS} round={0} />}
    </>
  );
}

/** Moves over the versions that are retained. */
interface SliderProps {
  readonly id: string;
  readonly epoch: string;
  readonly head: number;
  readonly version: number;
}

function Slider({ id, epoch, head, version }: SliderProps) {
  const { value: oldest = head } = useLoad((signal) => oldestVersion(id, head, signal), [id, epoch]);
  const first = Math.max(1, Math.min(oldest, head));
  const go = (to: number) => moveTo({ id, ...(to < head && { version: to }) });
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
