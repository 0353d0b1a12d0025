/** Small parts of several views. */
import type { ComponentChildren } from 'preact';
import type { Provenance } from '../../clients/typescript/src/model.js';
import { type Change, ChordError, type Path } from '../../clients/typescript/src/web.js';
import { useTick } from './hooks.js';
import { asJson, visible } from './json/visible.js';

const SECOND = 1000;
const AGES: readonly (readonly [name: string, milliseconds: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', SECOND],
];

/** A time as an age, with the time itself for those who point at it. */
export function Age({ at }: { readonly at: Date | undefined }) {
  useTick(5 * SECOND);
  if (!at) return <span>–</span>;
  return (
    <time dateTime={at.toISOString()} title={at.toLocaleString()}>
      {ageOf(Date.now() - at.getTime())}
    </time>
  );
}

function ageOf(milliseconds: number): string {
  const [name, unit] = AGES.find(([, length]) => milliseconds >= length) ?? [];
  return name === undefined ? 'now' : `${Math.floor(milliseconds / unit!)} ${name} ago`;
}

/** What the server refuses, as it says it. */
export function Problem({ error }: { readonly error: Error }) {
  return (
    <p class="problem" role="alert">
      <strong>{error instanceof ChordError ? error.reason : error.name}</strong> {error.message}
    </p>
  );
}

/** Who wrote a version, and what the write gave. */
export function Authorship({ by }: { readonly by: Provenance | undefined }) {
  const { author = '', annotations = {}, cause } = by ?? {};
  return (
    <>
      <span class={author === '' ? 'author none' : 'author'}>
        {visible(author) || (cause === 'expired' ? 'expired' : 'no author')}
      </span>
      {Object.entries(annotations).map(([name, value]) => (
        <span key={name} class="annotation">
          <b>{visible(name)}</b> {visible(value)}
        </span>
      ))}
    </>
  );
}

const SIGNS: Readonly<Record<Change['action'], string>> = {
  added: '+',
  removed: '−',
  modified: '~',
  spliced: '~',
  text_spliced: '~',
  unknown: '?',
};

/** The places that a delta changed, the first few. */
export function Places({ changes, most }: { readonly changes: readonly Change[]; readonly most: number }) {
  const more = changes.length - most;
  return (
    <span class="places">
      {changes.slice(0, most).map((change, i) => (
        <span key={i} class={`place ${change.action}`}>
          <b>{SIGNS[change.action]}</b>
          {pathText(change.path)}
        </span>
      ))}
      {more > 0 && <span class="hint">and {more.toLocaleString('en')} more</span>}
    </span>
  );
}

export function pathText(path: Path): string {
  return path.map((key) => (/^[\w-]+$/.test(key) ? key : asJson(key))).join('.');
}

/** For those who do not see it otherwise. */
export function Hidden({ children }: { readonly children: ComponentChildren }) {
  return <span class="hidden">{children}</span>;
}
