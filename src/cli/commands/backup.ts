/** `backup`: of a server that is running, over the network; or of a data directory that nobody serves. */
import { AdminServiceService as admin, type BackupResponse } from '../../gen/chord/v1/admin_service.js';
import { checkTarget, makeBackup, withDirectory } from '../../maintenance/backup.js';
import type { Backup, BackupPart } from '../../store/store.js';
import type { Session } from '../client/client.js';
import { isoTime } from '../output/format.js';
import type { Output } from '../output/output.js';
import { ProgressBar } from '../output/progress-bar.js';
import { countsText } from './verify.js';
import { interrupted } from './watch.js';

export async function backupServer(session: Session, directory: string): Promise<void> {
  await checkTarget(directory); // before the server is asked for anything
  const signal = interrupted();
  const stream = session.stream(admin.backup, {});
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

export async function backupDirectory(out: Output, from: string, directory: string): Promise<void> {
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
      ['plain', `${directory}: ${countsText(verified)}, verified`],
      ['dim', `, as of ${takenAt}`],
    ],
  ]);
}
