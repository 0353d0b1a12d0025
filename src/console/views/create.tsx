/** A new context: refused where it exists. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { createContext } from '../api.js';
import { parseDocument } from '../json/parse.js';
import { Hidden, Problem } from '../parts.js';
import { linkTo } from '../state.js';

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
  const dialog = useRef<HTMLDialogElement>(null);
  const [id, setId] = useState(first);
  const [text, setText] = useState('{}');
  const [note, setNote] = useState('');
  const [writing, setWriting] = useState(false);
  const [error, setError] = useState<Error>();
  useEffect(() => dialog.current!.showModal(), []);
  const parsed = parseDocument(text);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if ('fault' in parsed) return;
    setWriting(true);
    const annotations = { via: 'console', ...(note.trim() !== '' && { note: note.trim() }) };
    const done = () => {
      onEnd();
      location.hash = linkTo({ id });
    };
    createContext(id, parsed.value, annotations).then(done, (refused: Error) => {
      setError(refused);
      setWriting(false);
    });
  };
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby="create-title" onClose={onEnd}>
      <form class="editor" onSubmit={submit}>
        <h2 id="create-title">New context</h2>
        {error && <Problem error={error} />}
        <label>
          Id
          <input spellcheck={false} autofocus value={id} onInput={(event) => setId(event.currentTarget.value)} />
        </label>
        <label>
          Document
          <textarea
            spellcheck={false}
            rows={8}
            value={text}
            aria-invalid={'fault' in parsed}
            aria-describedby="create-fault"
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <p id="create-fault" class="fault" role="status">
          {'fault' in parsed ? parsed.fault : ''}
        </p>
        <label>
          Note, kept with the version
          <input maxLength={300} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
        </label>
        <footer>
          <button type="button" onClick={() => dialog.current!.close()}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={writing || id === '' || 'fault' in parsed}>
            Create
          </button>
        </footer>
      </form>
    </dialog>
  );
}
