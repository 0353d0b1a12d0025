/** The document as text. It is written as a whole, at the position that the text began from. */
import { useMemo, useState } from 'preact/hooks';
import type { JsonObject } from '../../../clients/typescript/src/json.js';
import { setContext } from '../api.js';
import type { Live } from '../hooks.js';
import { isEqual } from '../json/compare.js';
import { parseDocument } from '../json/parse.js';
import { asJson, visible } from '../json/visible.js';
import { linkTo } from '../state.js';
import { Sides } from './compare.js';
import { Confirm } from './confirm.js';
import { Delete } from './delete.js';
import { DocumentText } from './document-text.js';

/** Longer documents are not put into a text field, in UTF-16 units. */
const TEXT_MAX = 512 * 1024;

const textOf = (value: JsonObject) => asJson(value, 2);

export function EditView({ id, live }: { readonly id: string; readonly live: Live }) {
  const [seen, setSeen] = useState(live.document!);
  const began = useMemo(() => textOf(seen.value), [seen]);
  const [text, setText] = useState(began);
  const [asking, setAsking] = useState(false);
  const [comparing, setComparing] = useState(false);
  const parsed = parseDocument(text);
  const { position, value } = live.document!;
  const isBehind = position.version !== seen.position.version || position.digest !== seen.position.digest;
  const isSame = 'value' in parsed && isEqual(parsed.value, seen.value);
  if (began.length > TEXT_MAX) {
    return (
      <>
        <p class="hint">The document is too large to edit here. The command: chord update {id}</p>
        <Delete id={id} live={live} />
      </>
    );
  }
  const restart = () => {
    setSeen(live.document!);
    setText(textOf(value));
  };
  return (
    <div class="editor">
      {isBehind && (
        <div class="notice" role="status">
          <span>
            The document has changed: this text began from version {seen.position.version}, now it is version{' '}
            {position.version}.
          </span>
          <button type="button" onClick={() => setComparing(!comparing)} aria-expanded={comparing}>
            What changed
          </button>
          <button type="button" onClick={() => setSeen(live.document!)}>
            Keep my text
          </button>
          <button type="button" onClick={restart}>
            Take the current one
          </button>
        </div>
      )}
      {isBehind && comparing && (
        <Sides
          left={seen.value}
          right={value}
          names={[`Version ${seen.position.version}`, `Version ${position.version}`]}
        />
      )}
      <DocumentText
        label={`Document, from version ${seen.position.version}`}
        text={text}
        parsed={parsed}
        onText={setText}
      />
      <footer>
        <Delete id={id} live={live} />
        <span class="space" />
        <button type="button" disabled={text === began} onClick={restart}>
          Reset
        </button>
        <button type="button" class="primary" disabled={'fault' in parsed || isSame} onClick={() => setAsking(true)}>
          Write…
        </button>
      </footer>
      {asking && 'value' in parsed && (
        <Confirm
          title={`Write ${visible(id)}`}
          seen={seen}
          live={live}
          after={parsed.value}
          afterName={`Version ${seen.position.version + 1}`}
          write={(guard) => setContext(id, parsed.value, guard)}
          action={`Write version ${seen.position.version + 1}`}
          onDone={() => {
            location.hash = linkTo({ id });
          }}
          onCancel={() => setAsking(false)}
        />
      )}
    </div>
  );
}
