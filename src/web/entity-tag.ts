/** Entity tags of answers that carry a position: a client that has the answer asks whether it is still current. */
import { hash } from 'node:crypto';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { GetContextResponse } from '../gen/chord/v1/context_service.js';
import type { Position } from '../gen/chord/v1/model.js';
import { SyncContextResponse } from '../gen/chord/v1/sync_service.js';

const POSITIONS: Readonly<Record<string, (bytes: Uint8Array) => Position | undefined>> = {
  GetContext: (bytes) => GetContextResponse.decode(bytes).context?.position,
  SyncContext: (bytes) => {
    const { result } = SyncContextResponse.decode(bytes);
    if (result?.$case === 'full') return result.value.context?.position;
    return result?.$case === 'delta' ? result.value.to : result?.value.position;
  },
};

/**
 * `W/"EPOCH:VERSION:DIGEST"`, weak because an answer may be compressed. Undefined for an answer without a position.
 * @param rights `DocumentRights.key` of a caller whose answer is cut down: callers with other rights have other answers
 */
export function entityTag(method: string, answer: Uint8Array, rights?: string): string | undefined {
  const position = POSITIONS[method]?.(answer);
  const cut = rights === undefined ? '' : `:${hash('sha256', rights, 'base64url')}`;
  return position && `W/"${position.epoch}:${position.version}:${position.digest}${cut}"`;
}

/** What of a tag is compared: RFC 9110 compares those of reads weakly, and caches between may have made a weak tag strong. */
const opaque = (tag: string) => tag.trim().replace(/^W\//, '');

/** 304 without a body where the client has this answer, or any (`*`). */
export function orNotModified(
  response: UniversalServerResponse,
  ifNoneMatch: string | undefined,
): UniversalServerResponse {
  const tag = response.header?.get('etag');
  const known = ifNoneMatch?.split(',').map(opaque);
  if (!tag || !(known?.includes(opaque(tag)) || known?.includes('*'))) return response;
  return { status: 304, header: new Headers({ etag: tag }) };
}
