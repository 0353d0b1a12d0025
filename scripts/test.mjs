/**
 * Runs every test suite, prints their output, and ends with one line for all: `N passed, N failed, N skipped`. Names of
 * suites as arguments run only those. The suites of the clients run beside one another; the others run alone. A suite that
 * is not done after half an hour is interrupted, so that it prints what it was at. The end repeats what failed.
 */
import { spawn } from 'node:child_process';
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { ava, cargo, demo, go, matrix, pytest, surefire } from './counts.mjs';
import { missingTools } from './tools.mjs';

/** Suites of a group, and files of the server's suite, that run at the same time: one that waits leaves its core to the others. */
const AT_ONCE = availableParallelism() + 1;

const CLIENTS = 'clients';
/**
 * How to run a suite, and how to read its counts from its output. Those of one group, which follow one another here, run at
 * the same time, and their output is printed at their end. A client whose tools are missing is left out with one line, and
 * counts as skipped.
 */
const SUITES = [
  { name: 'server', command: `node node_modules/ava/entrypoints/cli.mjs --concurrency ${AT_ONCE}`, count: ava },
  { name: 'typescript', command: 'make -C clients/typescript test', count: ava, group: CLIENTS },
  { name: 'rust', command: 'make -C clients/rust test', count: cargo, group: CLIENTS },
  { name: 'go', command: 'make -C clients/go test ARGS=-v', count: go, group: CLIENTS },
  { name: 'python', command: 'make -C clients/python test', count: pytest, group: CLIENTS },
  { name: 'java', command: 'make -C clients/java test', count: surefire, group: CLIENTS },
  { name: 'conformance', command: 'node --import=tsx test/conformance/run.ts', count: matrix },
  { name: 'demo', command: 'node scripts/demo.mjs', count: demo },
];

/**
 * Where the tests keep their files: in memory, where there is room, because each durable commit waits for the disk
 * otherwise, some hundred thousand times. Crashes and failing disks are made by the tests themselves, not by the disk.
 */
const MEMORY = '/dev/shm';
const MEMORY_NEEDED = 4 * 2 ** 30;

const MOST_MINUTES = 30;

/** The lines of a failed suite that its last lines repeat: names of failed tests, and of tests that never ended. */
const TELLING =
  /✘|✖|did not end|were? pending|◌|Timed out|Failed to exit|interrupt|--- FAIL|^FAILED|FAILED *\||^test .* FAILED|^\[ERROR\]|panicked/i;
const MOST_TELLING = 40;

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !SUITES.some((suite) => suite.name === name));
if (unknown.length > 0) {
  console.error(`no suite ${unknown.join(', ')}; there are ${SUITES.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

const files = filesInMemory();
if (files !== undefined) {
  process.env.TMPDIR = files;
  process.on('exit', () => rmSync(files, { recursive: true, force: true }));
}
const total = { passed: 0, failed: 0, skipped: 0 };
const lines = [];
const failures = [];
const waiting = SUITES.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
while (waiting.length > 0) {
  const [{ group }] = waiting;
  const others = waiting.findIndex((suite) => suite.group !== group);
  const together = waiting.splice(0, group === undefined ? 1 : others < 0 ? waiting.length : others);
  const printed = together.length === 1;
  await Promise.all(Array.from({ length: AT_ONCE }, () => drain(together, printed)));
}
if (failures.length > 0) console.log(`\n== what failed\n${failures.join('\n')}`);
console.log(`\n${lines.join('\n')}\n\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;

/** Runs suites, one after the other, as long as there are any. */
async function drain(suites, printed) {
  for (let suite = suites.shift(); suite; suite = suites.shift()) {
    const began = Date.now();
    const counts = await runSuite(suite, printed);
    for (const key of Object.keys(total)) total[key] += counts[key];
    const { passed, failed, skipped } = counts;
    const seconds = Math.round((Date.now() - began) / 1000);
    lines.push(`${suite.name}: ${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds} s`);
  }
}

/** A folder of this run in memory, or undefined: without such a file system, or room in it, or if the caller has said. */
function filesInMemory() {
  if (process.env.TMPDIR) return undefined;
  try {
    accessSync(MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize < MEMORY_NEEDED ? undefined : openToAll(mkdtempSync(`${MEMORY}/chord-test-`));
  } catch {
    return undefined;
  }
}

/** PostgreSQL does not run as root, and enters as another user. */
function openToAll(directory) {
  chmodSync(directory, 0o755);
  return directory;
}

async function runSuite({ name, command, count, group }, printed) {
  const missing = group === CLIENTS ? missingTools(name) : undefined;
  if (missing) {
    console.log(`\n== ${name}: left out, ${missing}`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  if (printed) console.log(`\n== ${name}: ${command}`);
  const { code, signal, output } = await run(command, printed);
  if (!printed) console.log(`\n== ${name}: ${command}\n${output}`);
  const counts = count(output);
  // A runner that fails without a failed test counts as a failure: it did not start, or crashed.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  if (code === 0 && counts.passed === 0) {
    console.error(`${name}: no test was run`);
    counts.failed = 1;
  }
  if (counts.failed > 0) {
    const telling = output.split('\n').filter((line) => TELLING.test(line) && !line.includes('✔'));
    failures.push(`${name} (${signal ?? `exit code ${code}`}):`, ...telling.slice(-MOST_TELLING));
  }
  return counts;
}

function run(command, printed) {
  return new Promise((resolve) => {
    // `exec`, so that the signal reaches the suite and not its shell; a group of its own, so that nothing outlives it.
    const child = spawn(`exec ${command}`, { shell: true, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (text) => {
      output += text;
      if (printed) process.stdout.write(text);
    };
    const endGroup = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // The group has ended.
      }
    };
    const late = setTimeout(() => {
      take(`\n${command} did not end within ${MOST_MINUTES} minutes\n`);
      child.kill('SIGINT');
      setTimeout(() => endGroup('SIGKILL'), 30_000).unref();
    }, MOST_MINUTES * 60_000);
    const interrupted = () => {
      endGroup('SIGINT');
      process.exit(130);
    };
    process.once('SIGINT', interrupted);
    process.once('SIGTERM', interrupted);
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', take);
    child.on('close', (code, signal) => {
      clearTimeout(late);
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', interrupted);
      resolve({ code, signal, output });
    });
  });
}
