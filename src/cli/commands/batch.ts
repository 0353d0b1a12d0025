/** `batch`: several writes as one. */
import { ContextServiceService as contexts } from '../../gen/chord/v1/context_service.js';
import type { Session } from '../client/client.js';
import { readText } from '../input/parse.js';
import { parseBatch } from '../input/parse-batch.js';
import { printDeleted, printTouched, printWrite } from './writes.js';

export interface BatchOptions {
  readonly requestId?: string;
  readonly delta?: boolean;
  readonly oldValues?: boolean;
  readonly format?: string;
}

export async function batch(session: Session, file: string, options: BatchOptions): Promise<void> {
  const { requestId = '', delta = false, oldValues = false, format = '' } = options;
  const writes = parseBatch(readText(file === '-' ? 0 : file), { context: false, delta, oldValues, format });
  const { results } = await session.call(contexts.batchWrite, { writes, requestId });
  for (const [i, result] of results.entries()) {
    const { $case, value } = writes[i]!.write!;
    if ($case === 'delete') await printDeleted(session, value.contextId, result);
    else if ($case === 'touch') await printTouched(session, value.contextId, result.context);
    else await printWrite(session, value.contextId, result);
  }
}
