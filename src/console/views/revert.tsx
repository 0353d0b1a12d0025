/** Brings an earlier version back, as a new one. */
import { useState } from 'preact/hooks';
import { getContext, revertContext } from '../api.js';
import { type Live, useLoad } from '../hooks.js';
import { visible } from '../json/visible.js';
import { Hidden, Problem } from '../parts.js';
import { linkTo } from '../state.js';
import { Confirm } from './confirm.js';

interface RevertProps {
  readonly id: string;
  readonly version: number;
  readonly live: Live;
}

export function Revert({ id, version, live }: RevertProps) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <button type="button" class="link" onClick={() => setAsking(true)}>
        Revert…<Hidden> to version {version}</Hidden>
      </button>
      {asking && <Ask id={id} version={version} live={live} onEnd={() => setAsking(false)} />}
    </>
  );
}

function Ask({ id, version, live, onEnd }: RevertProps & { readonly onEnd: () => void }) {
  const [seen] = useState(live.document!);
  const { value, error } = useLoad((signal) => getContext(id, version, signal), [id, version]);
  if (error) return <Problem error={error} />;
  if (!value) return null;
  return (
    <Confirm
      title={`Revert ${visible(id)} to version ${version}`}
      seen={seen}
      live={live}
      after={value.value}
      afterName={`Version ${seen.position.version + 1}`}
      write={(guard) => revertContext(id, version, guard)}
      action={`Revert as version ${seen.position.version + 1}`}
      onDone={() => {
        onEnd();
        location.hash = linkTo({ id });
      }}
      onCancel={onEnd}
    />
  );
}
