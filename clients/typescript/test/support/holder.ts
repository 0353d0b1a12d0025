/** Another process that holds a presence, to be killed. `tsx holder.ts ADDRESS CONTEXT MEMBER TTL` is that process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { connect } from '../../src/index.js';

const SELF = fileURLToPath(import.meta.url);

/** Resolves when the member is set. Ends with the test. @param ttl milliseconds */
export async function startHolder(
  t: ExecutionContext,
  address: string,
  contextId: string,
  member: string,
  ttl: number,
): Promise<ChildProcess> {
  const args = ['--import=tsx', SELF, address, contextId, member, String(ttl)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  await once(child.stdout, 'data');
  return child;
}

if (process.argv[1] === SELF) {
  const [, , address, contextId, member, ttl] = process.argv as string[];
  await connect(address!).presence(contextId!, ['members', member!], 1, Number(ttl));
  process.stdout.write('set\n');
}
