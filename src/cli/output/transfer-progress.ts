/** Shows the progress of `export` and `restore`: a bar on a terminal, otherwise one line for each context. */
import type { ClientReadableStream } from '@grpc/grpc-js';
import type { TransferFailure, TransferProgress, TransferredContext } from '../../gen/chord/v1/transfer_service.js';
import { formatId, formatPosition, harmless, isoTime } from './format.js';
import type { Output } from './output.js';
import { renderProgressBar } from './progress-bar.js';
import type { StyledText } from './styled-text.js';

/** @throws Error where contexts failed, after the last message */
export async function followTransfer(
  out: Output,
  done: string,
  stream: ClientReadableStream<{ progress?: TransferProgress | undefined }>,
): Promise<void> {
  const bar = out.terminal && !out.json;
  let now: TransferProgress | undefined;
  for await (const { progress } of stream as AsyncIterable<{ progress?: TransferProgress | undefined }>) {
    if (!progress) continue;
    now = progress;
    const { last } = progress;
    if (bar) out.transient('');
    if (last?.$case === 'failure') await out.print(failureForm(last.value), () => [failureLine(last.value)]);
    if (last?.$case === 'context' && !bar) {
      await out.print(transferredForm(last.value), () => [transferredLine(done, last.value)]);
    }
    if (bar) out.transient(renderProgressBar(progress, process.stdout.columns ?? 80));
  }
  if (bar) out.transient('');
  const { total = 0, failed = 0 } = now ?? {};
  if (failed > 0) throw new Error(`${failed} of ${total} contexts were not ${done}`);
  if (!out.json) await out.lines([[['plain', `${done} ${total === 1 ? '1 context' : `${total} contexts`}`]]]);
}

export function transferredForm({ contextId, position, deltas, exportedAt }: TransferredContext) {
  return { contextId, position: formatPosition(position), deltas, exportedAt: isoTime(exportedAt) };
}

function failureForm({ contextId, reason, message }: TransferFailure) {
  return { contextId, failure: { reason, message } };
}

export function transferredLine(
  done: string,
  { contextId, position, deltas, exportedAt }: TransferredContext,
): StyledText {
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
