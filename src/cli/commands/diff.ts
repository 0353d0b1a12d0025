/** `diff`: the changes between two retained versions, or between one version and the present. */
import type { Command } from 'commander';
import { diff } from '../../delta/index.js';
import type { Change as DomainChange } from '../../delta/types.js';
import { type Change, ChangeAction } from '../../gen/chord/v1/model.js';
import type { JsonObject } from '../../model/model.js';
import type { CommandContext } from '../command.js';
import { oldValuesOption } from '../input/options.js';
import { parseCount } from '../input/parse.js';
import { formatPosition } from '../output/format.js';
import { changeForm } from '../output/json.js';
import { renderChange } from '../output/render.js';

export function define(program: Command, { connected }: CommandContext): void {
  program
    .command('diff <id> <from> [to]')
    .description('print the changes between two retained versions, or since one version')
    .addOption(oldValuesOption())
    .action((contextId: string, from: string, to: string | undefined, { oldValues = false }: { oldValues?: boolean }) =>
      connected(async (session) => {
        const get = async (version: number) =>
          (await session.call('getContext', { contextId, version, includeExpiries: false })).context;
        const [first, last] = [parseCount(from), to === undefined ? 0 : parseCount(to)]; // version 0: the present
        const before = await get(first);
        const after = await get(last);
        const changes = diff((before?.value ?? {}) as JsonObject, (after?.value ?? {}) as JsonObject);
        const shown = changes.map((change) => toProto(change, oldValues));
        const span = { contextId, from: formatPosition(before?.position), to: formatPosition(after?.position) };
        await session.out.print({ ...span, changes: shown.map(changeForm) }, () => shown.map(renderChange));
      }),
    );
}

function toProto(change: DomainChange, olds: boolean): Change {
  const made = { path: [...change.path], value: undefined, oldValue: undefined, splice: undefined };
  switch (change.action) {
    case 'added':
      return { ...made, action: ChangeAction.ADDED, value: change.value };
    case 'modified':
      return { ...made, action: ChangeAction.MODIFIED, value: change.value, oldValue: olds ? change.old : undefined };
    case 'removed':
      return { ...made, action: ChangeAction.REMOVED, oldValue: olds ? change.old : undefined };
    case 'text_spliced': {
      const { index, removedCount, removed = '', inserted } = change;
      const textSplice = { index, removedCount, removed: olds ? removed : '', inserted };
      return { ...made, action: ChangeAction.SPLICED, textSplice };
    }
    case 'spliced': {
      const { index, removedCount, removed = [], inserted } = change;
      const splice = { index, removedCount, removed: olds ? [...removed] : [], inserted: [...inserted] };
      return { ...made, action: ChangeAction.SPLICED, splice };
    }
  }
}
