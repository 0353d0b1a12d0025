/** Two versions side by side. */
import { useMemo } from 'preact/hooks';
import type { JsonObject } from '../../../clients/typescript/src/json.js';
import { getContext } from '../api.js';
import { useLoad } from '../hooks.js';
import { compare, LINES_MAX, type Line } from '../json/compare.js';
import { Hidden, Problem } from '../parts.js';
import { moveTo } from '../state.js';

interface CompareProps {
  readonly id: string;
  readonly head: number;
  readonly from: number | undefined;
  readonly to: number | undefined;
}

export function CompareView({ id, head, from = Math.max(1, head - 1), to = head }: CompareProps) {
  const { value, error, loading } = useLoad(
    (signal) => Promise.all([getContext(id, from, signal), getContext(id, to, signal)]),
    [id, from, to],
  );
  const go = (versions: { from?: number; to?: number }) => moveTo({ id, tab: 'compare', from, to, ...versions });
  return (
    <>
      <div class="versions">
        <VersionField label="Left version" value={from} head={head} go={(version) => go({ from: version })} />
        <button type="button" class="quiet" aria-label="Swap the sides" onClick={() => go({ from: to, to: from })}>
          ⇄
        </button>
        <VersionField label="Right version" value={to} head={head} go={(version) => go({ to: version })} />
      </div>
      {error && <Problem error={error} />}
      {value && (
        <Sides
          left={value[0].value}
          right={value[1].value}
          names={[`Version ${value[0].position.version}`, `Version ${value[1].position.version}`]}
          loading={loading}
        />
      )}
    </>
  );
}

interface FieldProps {
  readonly label: string;
  readonly value: number;
  readonly head: number;
  readonly go: (version: number) => void;
}

function VersionField({ label, value, head, go }: FieldProps) {
  const change = (text: string) => {
    const version = Number(text);
    if (Number.isSafeInteger(version) && version >= 1 && version <= head) go(version);
  };
  return (
    <label>
      {label}
      <input type="number" min={1} max={head} value={value} onInput={(event) => change(event.currentTarget.value)} />
    </label>
  );
}

interface SidesProps {
  readonly left: JsonObject;
  readonly right: JsonObject;
  readonly names: readonly [string, string];
  readonly loading?: boolean;
}

export function Sides({ left, right, names, loading = false }: SidesProps) {
  const { lines, cut, changes } = useMemo(() => compare(left, right), [left, right]);
  if (lines.length === 0) return <p class="hint">The documents are equal.</p>;
  return (
    <div class={loading ? 'sides loading' : 'sides'}>
      <table>
        <thead>
          <tr>
            <th scope="col">{names[0]}</th>
            <th scope="col">{names[1]}</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line, i) => (
            <Row key={i} line={line} />
          ))}
        </tbody>
      </table>
      <p class="hint" role="status">
        {cut
          ? `The first ${LINES_MAX.toLocaleString('en')} lines; there are more.`
          : `${changes} ${changes === 1 ? 'line differs' : 'lines differ'}.`}
      </p>
    </div>
  );
}

/** Keys and values: one of another direction does not move what stands beside it. */
const TEXTS = /("(?:[^"\\]|\\.)*")/;
const SAID = { same: '', frame: '', changed: 'changed ', added: 'added ', removed: 'removed ' };

function Row({ line: { kind, level, left, right } }: { readonly line: Line }) {
  const cell = (side: string, text: string | undefined) => (
    <td class={text === undefined ? 'nothing' : side} style={{ '--level': level }}>
      {text !== undefined && <Hidden>{SAID[kind]}</Hidden>}
      {text?.split(TEXTS).map((part, i) => (i % 2 === 0 ? part : <bdi key={i}>{part}</bdi>))}
    </td>
  );
  return (
    <tr class={kind}>
      {cell('left', left)}
      {cell('right', right)}
    </tr>
  );
}
