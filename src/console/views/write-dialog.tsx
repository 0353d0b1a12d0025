/** Asks before a write, takes a note for it, and shows why the server refuses it. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { isRefusal, type WriteGuard } from '../api.js';
import { Problem } from '../parts.js';

interface WriteDialogProps {
  readonly title: string;
  /** Where the note is kept. */
  readonly kept?: string;
  /** The words on the button. */
  readonly action: string;
  /** There is nothing to write yet. */
  readonly disabled?: boolean;
  readonly write: (annotations: WriteGuard['annotations']) => Promise<void>;
  readonly onDone: () => void;
  readonly onCancel: () => void;
  /** What is shown after a conflict, where the same write cannot succeed any more. */
  readonly conflict?: ComponentChildren;
  readonly children: ComponentChildren;
}

export function WriteDialog(props: WriteDialogProps) {
  const { title, kept = 'with the version', action, disabled = false, conflict, children, onCancel } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const [note, setNote] = useState('');
  const [writing, setWriting] = useState(false);
  const [error, setError] = useState<Error>();
  useEffect(() => dialog.current!.showModal(), []);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setWriting(true);
    const annotations = { via: 'console', ...(note.trim() !== '' && { note: note.trim() }) };
    const done = () => {
      dialog.current?.close(); // gives the focus back to the button that opened it, where both are still there
      props.onDone();
    };
    props.write(annotations).then(done, (refused: Error) => {
      setError(refused);
      setWriting(false);
    });
  };
  const isOver = conflict !== undefined && isRefusal(error, 'ABORTED');
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby="write-title" onClose={onCancel}>
      <form onSubmit={submit} onInput={() => setError(undefined)}>
        <h2 id="write-title">{title}</h2>
        {error && <Problem error={error} />}
        {isOver ? conflict : children}
        {!isOver && (
          <label>
            Note, kept {kept}
            <input maxLength={300} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
          </label>
        )}
        <footer>
          <button type="button" onClick={() => dialog.current!.close()}>
            {isOver ? 'Close' : 'Cancel'}
          </button>
          {!isOver && (
            <button type="submit" class="primary" disabled={writing || disabled}>
              {action}
            </button>
          )}
        </footer>
      </form>
    </dialog>
  );
}
