/** Runs the conformance suite: see PROTOCOL.md, "Running". */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { RedisServer } from '../store/redis/servers.js';
import { batches, waiting } from './batches.js';
import { calls } from './calls.js';
import { conditions } from './conditions.js';
import { build, Driver, type DriverEntry, endIdle } from './driver.js';
import { everything } from './everything.js';
import { presences } from './presences.js';
import { keepMatrix, type Matrix, type Outcome, renderExceptions, renderFailures, renderMatrix } from './report.js';
import { restarts, shared } from './restarts.js';
import type { Scenario, Stage } from './scenario.js';
import { type Access, SecuredServer, secured } from './secured.js';
import { type Backend, Server } from './server.js';
import { vectors } from './vectors.js';
import { watches } from './watches.js';

/** Of plain JavaScript, as all scripts. */
const { missingTools } = (await import(`${new URL('../../scripts/tools.mjs', import.meta.url)}`)) as {
  missingTools(language: string): string | undefined;
};
const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    scenario: { type: 'string', default: '' },
    backend: { type: 'string', default: 'lmdb' },
    redis: { type: 'string' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
  },
});

/** A driver that does not answer for so long hangs. */
const SCENARIO_TIMEOUT = 120_000;
/** Drivers that run at once: a driver that waits leaves its core to the others. */
const LANES = availableParallelism() + 1;
const run = randomUUID().slice(0, 8);
const matrix: Matrix = new Map();
const note = (text: string) => process.stderr.write(`${text}\n`);

const entries = readEntries(flags.only?.split(','));
const redis = flags.backend === 'redis' && !flags.redis ? await RedisServer.start() : undefined;
const backend = readBackend();
const ready: DriverEntry[] = [];
for (const entry of entries) {
  const why = whyLeftOut(entry);
  if (why !== undefined) {
    note(`left out ${entry.name}: ${why}`);
    continue;
  }
  try {
    if (!flags['no-build']) await build(entry);
    ready.push(entry);
  } catch (error) {
    record('build', entry.name, { ok: false, error: (error as Error).message });
  }
}

const each = { ...vectors, ...calls, ...conditions, ...everything, ...watches, ...batches, ...restarts, ...presences };
// The rows of the matrix, in this order whatever ends first.
for (const [name] of wanted({ ...each, ...waiting, ...secured, ...shared })) matrix.set(name, new Map());
const lanes = ready.map((entry) => () => lane(entry));
await Promise.all(Array.from({ length: LANES }, drain));
await together();
await endIdle();
await redis?.destroy();
report();

/** Runs lanes, one after the other, as long as there are any. */
async function drain(): Promise<void> {
  for (let next = lanes.shift(); next; next = lanes.shift()) await next();
}

/** All scenarios of one driver, on servers that no other driver uses: they are stopped and killed. */
async function lane(entry: DriverEntry): Promise<void> {
  const steady = await Server.start(backend);
  const server = await Server.start(backend);
  const guarded = await SecuredServer.start(backend);
  const can = ([name]: [string, unknown]) =>
    !Object.keys(entry.except ?? {}).some((beginning) => name.startsWith(beginning));
  const beside = wanted(waiting).map(([name, scenario]) => attempt(name, [entry], steady, {}, one(scenario)));
  try {
    for (const [name, scenario] of wanted(each).filter(can)) await attempt(name, [entry], server, {}, one(scenario));
    for (const [name, scenario] of wanted(secured).filter(can)) {
      await attempt(name, [entry], guarded.server, guarded.access, one(scenario(guarded)));
    }
  } finally {
    await Promise.all(beside);
    await Promise.all([guarded.end(), server.end(), steady.end()]);
  }
}

/** The scenarios of all drivers on one server. */
async function together(): Promise<void> {
  if (ready.length === 0 || wanted(shared).length === 0) return;
  const server = await Server.start(backend);
  try {
    for (const [name, scenario] of wanted(shared)) {
      await attempt(name, ready, server, {}, (stages) => scenario(stages, `${run}:${name}`));
    }
  } finally {
    await server.end();
  }
}

/** The tools of its language are missing, or what it needs besides; undefined where nothing is. */
function whyLeftOut({ cwd, needs }: DriverEntry): string | undefined {
  return missingTools(basename(cwd)) ?? (needs && !existsSync(needs) ? `there is no ${needs}` : undefined);
}

function one(scenario: Scenario): (stages: Stage[]) => Promise<void> {
  return ([stage]) => scenario(stage!);
}

/** Fresh drivers for each scenario: what one leaves behind concerns no other. */
async function attempt(
  name: string,
  participants: readonly DriverEntry[],
  server: Server,
  access: Partial<Access>,
  scenario: (stages: Stage[]) => Promise<void>,
): Promise<void> {
  const began = performance.now();
  const drivers = participants.map((entry) => new Driver(entry));
  let late = false;
  const alarm = setTimeout(() => {
    late = true;
    for (const driver of drivers) driver.kill();
  }, SCENARIO_TIMEOUT);
  let outcome: Outcome;
  try {
    for (const driver of drivers) await driver.call('connect', { address: server.address, ...access });
    await scenario(drivers.map((driver) => ({ driver, server, id: `${run}:${driver.name}:${name}` })));
    outcome = { ok: true, ms: Math.round(performance.now() - began) };
  } catch (error) {
    outcome = { ok: false, error: late ? `no answer within ${SCENARIO_TIMEOUT} ms` : (error as Error).message };
  }
  await Promise.all(drivers.map((driver) => driver.end()));
  clearTimeout(alarm);
  for (const { name: participant } of participants) record(name, participant, outcome);
}

function record(scenario: string, driver: string, outcome: Outcome): void {
  const row = matrix.get(scenario) ?? new Map<string, Outcome>();
  matrix.set(scenario, row.set(driver, outcome));
  note(
    `${outcome.ok ? 'ok    ' : 'FAILED'} ${driver}: ${scenario}${outcome.ok ? ` (${outcome.ms} ms)` : `: ${outcome.error}`}`,
  );
}

function report(): void {
  const names = entries.map(({ name }) => name);
  const table = [renderMatrix(matrix, names), ...renderExceptions(entries)].join('\n\n');
  const failures = renderFailures(matrix);
  if (flags.json) {
    const rows = [...matrix].map(([scenario, outcomes]) => ({ scenario, ...Object.fromEntries(outcomes) }));
    process.stdout.write(`${JSON.stringify({ backend: backend.name, rows }, undefined, 2)}\n`);
  } else {
    const outcomes = [...matrix.values()].flatMap((row) => [...row.values()]);
    const total = `${outcomes.filter(({ ok }) => ok).length} of ${outcomes.length} passed`;
    process.stdout.write(`${[`on ${backend.name}`, '', table, '', ...failures, total].join('\n')}\n`);
  }
  if (flags.write) keepMatrix(new URL('../../docs/conformance.md', import.meta.url), backend.name, table);
  if (failures.length > 0 || ready.length === 0) process.exitCode = 1;
}

function wanted<T>(scenarios: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(scenarios).filter(([name]) => name.includes(flags.scenario));
}

function readEntries(only: readonly string[] | undefined): DriverEntry[] {
  const all = JSON.parse(readFileSync(new URL('drivers.json', import.meta.url), 'utf8')) as DriverEntry[];
  const unknown = only?.filter((name) => !all.some((entry) => entry.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`no driver ${unknown.join(', ')} in drivers.json`);
  return all.filter(({ name, named }) => (only ? only.includes(name) : !named));
}

function readBackend(): Backend {
  if (flags.backend !== 'lmdb' && flags.backend !== 'redis') throw new Error(`no backend ${flags.backend}`);
  return { name: flags.backend, url: flags.redis ?? redis?.url ?? '' };
}
