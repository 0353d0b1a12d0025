/**
 * `backup`: copies the contents of a running server over the network, or of a data directory that no server has open.
 */
import type { Command } from 'commander';
import type { BackupResponse } from '../../gen/chord/v1/admin_service.js';
import type { Backup, BackupPart } from '../../store/store.js';
import type { Session } from '../client/client.js';
import type { CommandContext } from '../command.js';
import { isoTime } from '../output/format.js';
import type { Output } from '../output/output.js';
import { ProgressBar } from '../output/progress-bar.js';
import { verifiedText } from '../output/verified.js';
import { interrupted } from '../signals.js';

const HELP = `
The copy is a consistent snapshot, read back and verified before it gets its name. DIR must be missing or empty. A server
can serve the copy: chord serve --data-dir DIR. On Redis, use the persistence of Redis, or chord export.

Examples:
  chord backup /backups/monday
  chord backup ./copy --address chord.example:50051
  chord backup ./copy --data-dir ./data
`;

export function define(program: Command, { connected, out }: CommandContext): void {
  program
    .command('backup <dir>')
    .description('copy the contents of a running server on lmdb into a new data directory')
    .option('--data-dir <dir>', 'copy from a data directory that no server has open, not from a server')
    .addHelpText('after', HELP)
    .action(async (directory: string, { dataDir }: { dataDir?: string }) => {
      if (dataDir !== undefined) await backupDirectory(out(), dataDir, directory);
      else await connected((session) => backupServer(session, directory));
    });
}

async function backupServer(session: Session, directory: string): Promise<void> {
  const { checkTarget } = await import('../../maintenance/backup.js');
  await checkTarget(directory); // before the server is called
  const signal = interrupted();
  const stream = session.stream('backup', {});
  signal.addEventListener('abort', () => stream.cancel());
  try {
    const messages = (stream as AsyncIterable<BackupResponse>)[Symbol.asyncIterator]();
    const first = await messages.next();
    const part = first.done ? undefined : first.value.part;
    if (part?.$case !== 'start') throw new Error('the server sent no backup');
    const { format, counts, takenAt } = part.value;
    const source = { format, counts, parts: recordsOf(messages) };
    await save(session.out, directory, source, isoTime(takenAt), signal);
  } catch (error) {
    throw signal.aborted ? new Error('interrupted: there is no backup') : error;
  } finally {
    stream.cancel();
  }
}

async function backupDirectory(out: Output, from: string, directory: string): Promise<void> {
  const { withDirectory } = await import('../../maintenance/backup.js');
  const signal = interrupted();
  const takenAt = new Date().toISOString();
  await withDirectory(from, (source) => save(out, directory, source, takenAt, signal));
}

async function* recordsOf(messages: AsyncIterator<BackupResponse>): AsyncGenerator<BackupPart> {
  for (let next = await messages.next(); !next.done; next = await messages.next()) {
    const { part } = next.value;
    if (part?.$case !== 'records') continue;
    const { database, keys, values } = part.value;
    yield { database, keys: keys as Buffer[], values: values as Buffer[] };
  }
}

async function save(out: Output, directory: string, source: Backup, takenAt: string | undefined, signal: AbortSignal) {
  const { makeBackup } = await import('../../maintenance/backup.js');
  const [copying, verifying] = [new ProgressBar(out, 'copying'), new ProgressBar(out, 'verifying')];
  const shows = (bar: ProgressBar) => (done: number, total: number) => {
    if (signal.aborted) throw new Error('interrupted: there is no backup');
    bar.show(done, total);
  };
  const listener = { onCopied: shows(copying), onVerified: shows(verifying) };
  const verified = await makeBackup(directory, source, listener).finally(() => copying.clear());
  const { damages: _, ...counts } = verified;
  await out.print({ directory, takenAt, ...counts }, () => [
    [
      ['plain', `${directory}: ${verifiedText(verified)}, verified`],
      ['dim', `, as of ${takenAt}`],
    ],
  ]);
}
