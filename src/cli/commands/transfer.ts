/** `export` and `restore`, of one context or of all that a prefix names. */
import type { ClientReadableStream } from '@grpc/grpc-js';
import {
  type TransferFailure,
  type TransferProgress,
  type TransferredContext,
  TransferServiceService as transfers,
} from '../../gen/chord/v1/transfer_service.js';
import type { Session } from '../client/client.js';
import type { parseTarget } from '../input/parse.js';
import { formatId, formatPosition, harmless, isoTime } from '../output/format.js';
import { renderProgressBar } from '../output/progress-bar.js';
import type { StyledText } from '../output/styled-text.js';

type Target = ReturnType<typeof parseTarget>;

export async function exportTo(session: Session, target: Target, { history = false }: { history?: boolean }) {
  if (target.kind === 'prefix') {
    const stream = session.stream(transfers.exportContexts, { prefix: target.name, history });
    return follow(session, 'exported', stream);
  }
  const { context } = await session.call(transfers.exportContext, { contextId: target.name, history });
  if (context) await session.out.print(contextForm(context), () => [contextLine('exported', context)]);
}

export async function restoreFrom(session: Session, target: Target, { overwrite = false }: { overwrite?: boolean }) {
  if (target.kind === 'prefix') {
    const stream = session.stream(transfers.restoreContexts, { prefix: target.name, overwrite });
    return follow(session, 'restored', stream);
  }
  const { context } = await session.call(transfers.restoreContext, { contextId: target.name, overwrite });
  if (context) await session.out.print(contextForm(context), () => [contextLine('restored', context)]);
}

/** Shows how far it is: a bar on a terminal, one line for each context elsewhere. Throws where contexts failed. */
async function follow(
  { out }: Session,
  done: string,
  stream: ClientReadableStream<{ progress: TransferProgress | undefined }>,
): Promise<void> {
  const bar = out.terminal && !out.json;
  let now: TransferProgress | undefined;
  for await (const { progress } of stream as AsyncIterable<{ progress: TransferProgress | undefined }>) {
    if (!progress) continue;
    now = progress;
    const { last } = progress;
    if (bar) out.transient('');
    if (last?.$case === 'failure') await out.print(failureForm(last.value), () => [failureLine(last.value)]);
    if (last?.$case === 'context' && !bar) {
      await out.print(contextForm(last.value), () => [contextLine(done, last.value)]);
    }
    if (bar) out.transient(renderProgressBar(progress, process.stdout.columns ?? 80));
  }
  if (bar) out.transient('');
  const { total = 0, failed = 0 } = now ?? {};
  if (failed > 0) throw new Error(`${failed} of ${total} contexts were not ${done}`);
  if (!out.json) await out.lines([[['plain', `${done} ${total === 1 ? '1 context' : `${total} contexts`}`]]]);
}

function contextForm({ contextId, position, deltas, exportedAt }: TransferredContext) {
  return { contextId, position: formatPosition(position), deltas, exportedAt: isoTime(exportedAt) };
}

function failureForm({ contextId, reason, message }: TransferFailure) {
  return { contextId, failure: { reason, message } };
}

function contextLine(done: string, { contextId, position, deltas, exportedAt }: TransferredContext): StyledText {
  const history = deltas === 0 ? '' : deltas === 1 ? ' with 1 delta' : ` with ${deltas} deltas`;
  return [
    ['cyan', formatId(contextId)],
    ['plain', ` ${done}${history} at ${formatPosition(position)}`],
    ['dim', done === 'restored' ? `, as of ${isoTime(exportedAt)}` : ''],
  ];
}

function failureLine({ contextId, reason, message }: TransferFailure): StyledText {
  return [
    ['cyan', formatId(contextId)],
    ['red', ` failed: ${reason}: ${harmless(message)}`],
  ];
}
