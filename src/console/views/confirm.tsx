/** Asks before a write: shows what it changes, writes only at the position that was seen, and shows what came between. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JsonObject } from '../../../clients/typescript/src/json.js';
import { type Document, isRefusal, type WriteGuard } from '../api.js';
import type { Live } from '../hooks.js';
import { Problem } from '../parts.js';
import { Sides } from './compare.js';

interface ConfirmProps {
  readonly title: string;
  /** The document that was seen: the write rests on its position. */
  readonly seen: Document;
  readonly live: Live;
  readonly after: JsonObject;
  /** What the document is afterwards. */
  readonly afterName: string;
  /** Where the note is kept. */
  readonly kept?: string;
  readonly write: (guard: WriteGuard) => Promise<void>;
  /** The words on the button. */
  readonly action: string;
  readonly onDone: () => void;
  readonly onCancel: () => void;
}

export function Confirm(props: ConfirmProps) {
  const { title, seen, live, after, afterName, kept = 'with the version', write, action, onDone, onCancel } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const [note, setNote] = useState('');
  const [writing, setWriting] = useState(false);
  const [error, setError] = useState<Error>();
  useEffect(() => dialog.current!.showModal(), []);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setWriting(true);
    const annotations = { via: 'console', ...(note.trim() !== '' && { note: note.trim() }) };
    write({ expected: seen.position, annotations }).then(onDone, (refused: Error) => {
      setError(refused);
      setWriting(false);
    });
  };
  const isConflict = isRefusal(error, 'ABORTED');
  const from = seen.position.version;
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby="confirm-title" onClose={onCancel}>
      <form onSubmit={submit}>
        <h2 id="confirm-title">{title}</h2>
        {error && <Problem error={error} />}
        {isConflict ? (
          <Conflict seen={seen} live={live} />
        ) : (
          <Sides left={seen.value} right={after} names={[`Version ${from}`, afterName]} />
        )}
        {!isConflict && (
          <label>
            Note, kept {kept}
            <input maxLength={300} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
          </label>
        )}
        <footer>
          <button type="button" onClick={() => dialog.current!.close()}>
            {isConflict ? 'Close' : 'Cancel'}
          </button>
          {!isConflict && (
            <button type="submit" class="primary" disabled={writing}>
              {action}
            </button>
          )}
        </footer>
      </form>
    </dialog>
  );
}

function Conflict({ seen, live: { state, document } }: { readonly seen: Document; readonly live: Live }) {
  const from = seen.position.version;
  if (!document || state === 'deleted') return <p>Nothing was written: the context does not exist any more.</p>;
  const { version } = document.position;
  return (
    <>
      <p>Nothing was written: the context has changed since version {from}. What changed:</p>
      <Sides left={seen.value} right={document.value} names={[`Version ${from}`, `Version ${version}`]} />
    </>
  );
}
