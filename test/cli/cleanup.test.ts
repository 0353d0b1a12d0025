import test from 'ava';
import { chord, type Server, startServer } from '../support/cli.js';

let server: Server;

test.before(async () => {
  server = await startServer(
    ...['--backend', 'memory', '--listen', '127.0.0.1:0', '--delta-threshold', '2', '--cleanup-interval', 'off'],
  );
});
test.after.always(() => server?.end('SIGTERM'));

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await chord(['--address', server.address, ...args]);
  if (code !== 0 || stderr !== '') throw new Error(`${args.join(' ')}: exit ${code}: ${stderr}`);
  return stdout.trimEnd();
}

test.serial('run tells what it would remove, and what it removed', async (t) => {
  for (const n of [1, 2, 3, 4, 5]) await ok('set', 'room:1', `{"n":${n}}`);
  const table = 'ID      REASON   DELTAS\nroom:1  trimmed  3\n';
  const counts = '0 contexts (0 expired, 0 idle), 3 deltas (1 other context trimmed), 0 request ids';
  t.is(await ok('cleanup', 'run', '--dry-run'), `${table}would remove ${counts}`);
  t.is(await ok('cleanup', 'run', '--prefix', 'room:', '--limit', '1'), `${table}removed ${counts}`);
  const { startedAt, finishedAt, ...rest } = JSON.parse(await ok('cleanup', 'run', '--json', '--delta-threshold', '1'));
  t.is(new Date(startedAt).toISOString(), startedAt);
  t.true(finishedAt >= startedAt);
  t.deepEqual(rest, {
    dryRun: false,
    contextsExpired: 0,
    contextsIdle: 0,
    contextsTrimmed: 1,
    deltas: 1,
    requestIds: 0,
    failed: 0,
    more: false,
    contexts: [{ contextId: 'room:1', reason: 'TRIMMED', deltas: 1 }],
  });
});

test.serial('start, update, stop, status', async (t) => {
  t.regex(
    await ok('cleanup', 'status'),
    /^not started\noptions {3}contextAutoDelete false, contextTtl 6h, deltaTtl 1d, deltaThreshold 2,/,
  );
  t.regex(await ok('cleanup', 'start', '--interval', '90s'), /^started, every 90s, next at 2/);
  const updated = JSON.parse(
    await ok('--json', 'cleanup', 'update', '--interval', '1h30m', '--context-auto-delete', 'true'),
  );
  t.like(updated, { running: true, interval: '90m', options: { contextAutoDelete: true, deltaTtl: '1d' } });
  const tiered = JSON.parse(await ok('--json', 'cleanup', 'update', '--delta-retention', '1h:all,1d:1m,90d:1h'));
  t.like(tiered, { options: { deltaRetention: '1h:all,1d:1m,90d:1h', deltaThreshold: 2 } });
  t.regex(await ok('cleanup', 'status'), /deltaRetention 1h:all,1d:1m,90d:1h/);
  t.like(JSON.parse(await ok('--json', 'cleanup', 'update', '--delta-retention', 'none')), {
    options: { deltaRetention: 'none' },
  });
  t.regex(await ok('cleanup', 'stop'), /^not started\n/);
});

test('wrong usage says what is expected', async (t) => {
  for (const [args, complaint] of [
    [['run', '--limit', '0'], /--limit: expected a whole number from 1 on, got "0"/],
    [['run', '--delta-ttl', '15'], /--delta-ttl: expected a duration like 500ms/],
    [['start', '--context-auto-delete', 'yes'], /expected true or false, got "yes"/],
  ] as const) {
    const { code, stderr } = await chord(['--address', server.address, 'cleanup', ...args]);
    t.is(code, 2);
    t.regex(stderr, complaint);
  }
});
