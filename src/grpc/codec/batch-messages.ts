/** Decodes a BatchWriteRequest for the use case. Throws INVALID_ARGUMENT that names the write and its field. */

import type { BatchedWrite } from '../../contexts/writes/batch.js';
import { within } from '../../contexts/writes/batch.js';
import type * as c from '../../gen/chord/v1/context_service.js';
import type { ReturnOptions } from '../../gen/chord/v1/model.js';
import { invalid } from '../../model/errors.js';
import { fromAnnotations, fromExpected, fromMutations, fromTouched, memberTtl } from './context-messages.js';
import { fromDuration } from './times.js';

/** @param returns called with what each write is to return */
export function fromWrites(
  writes: readonly c.Write[],
  returns: (returning: ReturnOptions | undefined, index: number) => void,
): BatchedWrite[] {
  return writes.map(({ write }, index): BatchedWrite => {
    if (!write) throw invalid(`writes[${index}]`, 'names no write');
    const { value: request } = write;
    return within(index, { id: request.contextId }, () => {
      if ('requestId' in request && request.requestId !== '') throw invalid('request_id', 'belongs to the batch');
      if ('returning' in request) returns(request.returning, index);
      return fromWrite(write);
    });
  });
}

function fromWrite({ $case: kind, value: request }: NonNullable<c.Write['write']>): BatchedWrite {
  const id = request.contextId;
  switch (kind) {
    case 'set':
      return { kind, id, value: request.value ?? {}, ...options(request) };
    case 'update': {
      const { changes, allowMissing } = request;
      return { kind, id, changes, mutations: fromMutations(request.mutations), allowMissing, ...options(request) };
    }
    case 'revert':
      return { kind, id, version: request.version, ...options(request) };
    case 'delete':
      return { kind, id, ...named(request), allowMissing: request.allowMissing };
    case 'touch': {
      if (request.paths.length === 0) return { kind, id, ttl: fromDuration(request.ttl, 'ttl') };
      return { kind, id, ttl: memberTtl(request.ttl, 'ttl'), paths: fromTouched(request.paths) };
    }
  }
}

function options(request: c.SetContextRequest | c.UpdateContextRequest | c.RevertContextRequest) {
  return { ...named(request), ttl: fromDuration(request.ttl, 'ttl'), returning: request.returning };
}

function named({ expected, annotations }: Pick<c.SetContextRequest, 'expected' | 'annotations'>) {
  return { expected: fromExpected(expected), annotations: fromAnnotations(annotations) };
}
