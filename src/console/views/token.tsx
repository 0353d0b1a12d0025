/** Asks for a token, where the server does. */
import { useState } from 'preact/hooks';
import { chooseToken } from '../state.js';

export function TokenForm({ reason }: { readonly reason: string }) {
  const [value, setValue] = useState('');
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (value.trim() !== '') chooseToken(value.trim());
  };
  return (
    <main class="single">
      <form class="card" onSubmit={submit}>
        <h1>This server asks for a token</h1>
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
    </main>
  );
}
