/** A new context: refused where it exists. */
import { useState } from 'preact/hooks';
import { createContext } from '../api.js';
import { parseDocument } from '../json/parse.js';
import { Hidden } from '../parts.js';
import { linkTo } from '../state.js';
import { DocumentText } from './document-text.js';
import { WriteDialog } from './write-dialog.js';

/** @param id at first: a prefix, or the whole id */
export function Create({ id }: { readonly id: string }) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <button type="button" class="create" onClick={() => setAsking(true)}>
        New<Hidden> context</Hidden>…
      </button>
      {asking && <Ask first={id} onEnd={() => setAsking(false)} />}
    </>
  );
}

function Ask({ first, onEnd }: { readonly first: string; readonly onEnd: () => void }) {
  const [id, setId] = useState(first);
  const [text, setText] = useState('{}');
  const parsed = parseDocument(text);
  return (
    <WriteDialog
      title="New context"
      action="Create"
      disabled={id === '' || 'fault' in parsed}
      write={async (annotations) => {
        if ('value' in parsed) await createContext(id, parsed.value, annotations);
      }}
      onDone={() => {
        onEnd();
        location.hash = linkTo({ id });
      }}
      onCancel={onEnd}
    >
      <div class="editor">
        <label>
          Id
          <input spellcheck={false} autofocus value={id} onInput={(event) => setId(event.currentTarget.value)} />
        </label>
        <DocumentText label="Document" text={text} parsed={parsed} onText={setText} />
      </div>
    </WriteDialog>
  );
}
