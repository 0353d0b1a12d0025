/** Asks before a write of a document that was seen: shows what it changes, writes only at that position, and shows what came between. */
import type { JsonObject } from '../../../clients/typescript/src/json.js';
import type { Document, WriteGuard } from '../api.js';
import type { Live } from '../hooks.js';
import { Sides } from './compare.js';
import { WriteDialog } from './write-dialog.js';

interface ConfirmProps {
  readonly title: string;
  /** The document that was seen: the write rests on its position. */
  readonly seen: Document;
  readonly live: Live;
  readonly after: JsonObject;
  /** What the document is afterwards. */
  readonly afterName: string;
  readonly kept?: string;
  readonly write: (guard: WriteGuard) => Promise<void>;
  readonly action: string;
  readonly onDone: () => void;
  readonly onCancel: () => void;
}

export function Confirm({ seen, live, after, afterName, write, ...asked }: ConfirmProps) {
  return (
    <WriteDialog
      {...asked}
      write={(annotations) => write({ expected: seen.position, annotations })}
      conflict={<Conflict seen={seen} live={live} />}
    >
      <Sides left={seen.value} right={after} names={[`Version ${seen.position.version}`, afterName]} />
    </WriteDialog>
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
