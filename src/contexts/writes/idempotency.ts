/** Idempotency: request ids with which a client can repeat a write safely. */
import { hash } from 'node:crypto';
import { ChordError, invalid } from '../../model/errors.js';
import type { Position } from '../../model/model.js';
import type { Request, RequestName } from '../../store/store.js';

/** The stored answer of a write. */
export interface RememberedAnswer {
  /** Absent only for a delete of a missing context. */
  readonly position?: Position | undefined;
  readonly changed: boolean;
}

/**
 * What a request is remembered under: 96 bits of its caller and its id. Thus no caller meets what another one has
 * remembered, and an id takes 16 bytes whatever its length. Undefined: the request has no id.
 */
export function requestName(requestId = '', caller = ''): RequestName | undefined {
  if (!requestId) return undefined;
  const id = hash('sha256', `${caller.length}:${caller}${requestId}`, 'base64url').slice(0, 16);
  return { id, formerId: requestId };
}

/** `answers`: of one write, or of all of a batch. */
export function remember(name: RequestName, print: string, answers: readonly RememberedAnswer[], at: number): Request {
  return { ...name, fingerprint: print, result: Buffer.from(answers.map(textOf).join('\n')), at };
}

/** The first answers. Throws INVALID_ARGUMENT where the id belongs to another request. */
export function recall(first: Request, print: string): readonly RememberedAnswer[] {
  const text = Buffer.from(first.result).toString();
  // As it was remembered under a formerId, with a hash that cannot be made any more.
  if (/^[[{]/.test(text)) return [JSON.parse(text) as RememberedAnswer | RememberedAnswer[]].flat();
  if (first.fingerprint !== print) throw invalid('requestId', 'was used before, for another request');
  return text.split('\n').map(answerOf);
}

/** `+` where something changed, then the position. */
function textOf({ position, changed }: RememberedAnswer): string {
  const sign = changed ? '+' : '=';
  return position ? `${sign}${position.version}:${position.epoch}:${position.digest}` : sign;
}

function answerOf(text: string): RememberedAnswer {
  const changed = text.startsWith('+');
  if (text.length === 1) return { changed };
  const [, version, epoch, digest] = /^[+=](\d+):(.{8}):(.{8})$/.exec(text) ?? [];
  if (version === undefined) {
    throw new ChordError('DATA_LOSS', `what a request was answered is damaged: ${JSON.stringify(text)}`);
  }
  return { changed, position: { epoch: epoch!, version: Number(version), digest: digest! } };
}

export type { RequestName } from '../../store/store.js';
