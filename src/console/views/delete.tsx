/** Deletes a context at the position that was seen. */
import { useState } from 'preact/hooks';
import { deleteContext } from '../api.js';
import type { Live } from '../hooks.js';
import { visible } from '../json/visible.js';
import { linkTo } from '../state.js';
import { Confirm } from './confirm.js';

const EMPTY = {};

export function Delete({ id, live }: { readonly id: string; readonly live: Live }) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <button type="button" class="danger" disabled={live.state === 'deleted'} onClick={() => setAsking(true)}>
        Delete…
      </button>
      {asking && <Ask id={id} live={live} onEnd={() => setAsking(false)} />}
    </>
  );
}

function Ask({ id, live, onEnd }: { readonly id: string; readonly live: Live; readonly onEnd: () => void }) {
  const [seen] = useState(live.document!);
  return (
    <Confirm
      title={`Delete ${visible(id)} with its history`}
      seen={seen}
      live={live}
      after={EMPTY}
      afterName="Deleted"
      kept="in the audit log"
      write={(guard) => deleteContext(id, guard)}
      action={`Delete at version ${seen.position.version}`}
      onDone={() => {
        onEnd();
        location.hash = linkTo({ id });
      }}
      onCancel={onEnd}
    />
  );
}
