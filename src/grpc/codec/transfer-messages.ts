/** Converts the results of export and restore to protobuf messages. */

import type * as proto from '../../gen/chord/v1/transfer_service.js';
import type { TransferProgress, Transferred } from '../../transfer/for-each-context.js';

import { toTimestamp } from './times.js';

export function toTransferred({ id, position, deltas, exportedAt }: Transferred): proto.TransferredContext {
  return { contextId: id, position, deltas, exportedAt: toTimestamp(exportedAt) };
}

export function toProgress({ last, ...counts }: TransferProgress): proto.TransferProgress {
  if (!last) return { ...counts, last: undefined };
  if ('position' in last) return { ...counts, last: { $case: 'context', value: toTransferred(last) } };
  const { id, reason, message } = last;
  return { ...counts, last: { $case: 'failure', value: { contextId: id, reason, message } } };
}
