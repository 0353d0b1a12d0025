/** Formats the result of a write for `set`, `update`, `revert`, `delete`, `touch` and `batch`. */
import type { Context, Delta, Position } from '../../gen/chord/v1/model.js';
import { formatId, formatPosition, isoTime } from './format.js';
import { contextForm, deltaForm } from './json.js';
import type { Output } from './output.js';
import { renderDelta } from './render.js';
import type { StyledText } from './styled-text.js';

interface WriteAnswer {
  readonly position?: Position | undefined;
  readonly changed: boolean;
  readonly context?: Context | undefined;
  readonly delta?: Delta | undefined;
}

export async function printWrite(
  out: Output,
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

export async function printDeleted(
  out: Output,
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

export async function printTouched(out: Output, contextId: string, context: Context | undefined): Promise<void> {
  await out.print(context && contextForm({ ...context, value: undefined }), () => [
    [
      ['cyan', formatId(contextId)],
      ['plain', context?.expiresAt ? ` expires at ${isoTime(context.expiresAt)}` : ' does not expire'],
    ],
  ]);
}
