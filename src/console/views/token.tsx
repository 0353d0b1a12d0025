/** Asks for a token, where the server does, over the page: a text that is edited stays. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { chooseToken } from '../state.js';

export function TokenForm({ reason }: { readonly reason: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [value, setValue] = useState('');
  useEffect(() => dialog.current!.showModal(), []);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (value.trim() !== '') chooseToken(value.trim());
  };
  return (
    <dialog ref={dialog} class="token" aria-labelledby="token-title" onClose={() => dialog.current?.showModal()}>
      <form onSubmit={submit}>
        <h2 id="token-title">This server asks for a token</h2>
        <p class="problem" role="alert">
          <strong>UNAUTHENTICATED</strong> {reason}
        </p>
        <label>
          Token
          <input
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={value}
            onInput={(event) => setValue(event.currentTarget.value)}
          />
        </label>
        <p class="hint">
          It is kept until this tab is closed, and sent to this server alone. The console can do what the token may do,
          and no more.
        </p>
        <button type="submit" class="primary">
          Continue
        </button>
      </form>
    </dialog>
  );
}
