/** `set`, `update`, `revert`, `delete`, `touch`. */
import { ContextServiceService as contexts } from '../../gen/chord/v1/context_service.js';
import type { Context, Delta, Expected, Mutation, Position } from '../../gen/chord/v1/model.js';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import type { JsonObject } from '../../model/model.js';
import type { Session } from '../client/client.js';
import { formatId, formatPosition, isoTime } from '../output/format.js';
import { contextForm, deltaForm } from '../output/json.js';
import { renderDelta } from '../output/render.js';
import type { StyledText } from '../output/styled-text.js';

/** What every write may carry. */
export interface WriteFlags {
  readonly expected?: Expected;
  readonly requestId?: string;
  readonly ttl?: Duration;
  readonly allowMissing?: boolean;
  /** Print what changed. */
  readonly delta?: boolean;
  /** With `delta`: and what was there before. */
  readonly oldValues?: boolean;
  /** With `delta`: in this format. */
  readonly format?: string;
}

export async function set(session: Session, contextId: string, value: JsonObject, options: WriteFlags): Promise<void> {
  const request = { contextId, value, ...common(options) };
  await printWrite(session, contextId, await session.call(contexts.setContext, request));
}

export async function update(
  session: Session,
  contextId: string,
  changes: JsonObject | undefined,
  mutations: Mutation[],
  options: WriteFlags,
): Promise<void> {
  const request = { contextId, changes, mutations, allowMissing: options.allowMissing ?? false, ...common(options) };
  await printWrite(session, contextId, await session.call(contexts.updateContext, request));
}

export async function revert(session: Session, contextId: string, version: number, options: WriteFlags): Promise<void> {
  const request = { contextId, version, ...common(options) };
  await printWrite(session, contextId, await session.call(contexts.revertContext, request));
}

export async function remove(session: Session, contextId: string, options: WriteFlags): Promise<void> {
  const { expected, requestId = '', allowMissing = false } = options;
  const answer = await session.call(contexts.deleteContext, { contextId, expected, requestId, allowMissing });
  await printDeleted(session, contextId, answer);
}

export async function touch(session: Session, contextId: string, ttl: Duration | undefined): Promise<void> {
  await printTouched(session, contextId, (await session.call(contexts.touchContext, { contextId, ttl })).context);
}

export async function printDeleted(
  { out }: Session,
  contextId: string,
  { position, changed }: Pick<WriteAnswer, 'position' | 'changed'>,
): Promise<void> {
  await out.print({ contextId, position: position && formatPosition(position), changed }, () => [
    [
      ['cyan', formatId(contextId)],
      ['plain', changed ? ` deleted, stood at ${formatPosition(position)}` : ' did not exist'],
    ],
  ]);
}

export async function printTouched({ out }: Session, contextId: string, context: Context | undefined): Promise<void> {
  await out.print(context && contextForm({ ...context, value: undefined }), () => [
    [
      ['cyan', formatId(contextId)],
      ['plain', context?.expiresAt ? ` expires at ${isoTime(context.expiresAt)}` : ' does not expire'],
    ],
  ]);
}

function common({ expected, requestId = '', ttl, delta = false, oldValues = false, format = '' }: WriteFlags) {
  return { expected, requestId, ttl, returning: { context: false, delta, oldValues, format } };
}

interface WriteAnswer {
  readonly position: Position | undefined;
  readonly changed: boolean;
  readonly context: Context | undefined;
  readonly delta: Delta | undefined;
}

export async function printWrite(
  { out }: Session,
  contextId: string,
  { position, changed, delta }: WriteAnswer,
): Promise<void> {
  const summary: StyledText = [
    ['cyan', formatId(contextId)],
    ['plain', changed ? ` changed, now at ${formatPosition(position)}` : ` unchanged at ${formatPosition(position)}`],
  ];
  await out.print({ contextId, position: formatPosition(position), changed, delta: delta && deltaForm(delta) }, () => [
    summary,
    ...(delta ? renderDelta(delta) : []),
  ]);
}
