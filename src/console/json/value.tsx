/** A value on one line. Whatever it holds is shown as text. */
import { useState } from 'preact/hooks';
import type { Json } from '../../../clients/typescript/src/json.js';
import { countOf, isContainer } from './parts.js';
import { asJson } from './visible.js';

/** Longer texts are cut, in UTF-16 units; on request more is shown. */
const TEXT_SHORT = 240;
const TEXT_LONG = 20_000;

export function Value({ value }: { readonly value: Json }) {
  if (isContainer(value)) return <Summary value={value} />;
  if (typeof value === 'string') return <Text text={value} />;
  return <span class={`json-${value === null ? 'null' : typeof value}`}>{String(value)}</span>;
}

function Summary({ value }: { readonly value: Json & object }) {
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const count = countOf(value);
  return (
    <span class="json-summary">
      {open}
      {count > 0 && <span class="json-count">{count.toLocaleString('en')}</span>}
      {close}
    </span>
  );
}

function Text({ text }: { readonly text: string }) {
  const [length, setLength] = useState(TEXT_SHORT);
  const rest = text.length - length;
  return (
    <span class="json-string">
      {asJson(rest > 0 ? text.slice(0, length) : text).slice(0, rest > 0 ? -1 : undefined)}
      {rest > 0 && (
        <button type="button" class="more" onClick={() => setLength(TEXT_LONG)} disabled={length === TEXT_LONG}>
          {rest.toLocaleString('en')} more
        </button>
      )}
    </span>
  );
}
