/**
 * Runs every test suite, prints their output, and ends with one line for all: `N passed, N failed, N skipped`. Names of
 * suites as arguments run only those. Suites that leave cores idle run two at a time; the others run alone. A suite that
 * is not done after half an hour is interrupted, so that it prints what it was at. The end repeats what failed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, statfsSync } from 'node:fs';

/**
 * How to run a suite, how to read its counts from its output, and commands that succeed if its tools are installed. If
 * one fails, the suite is left out with one line, and counts as skipped. `group`: suites that follow one another in this
 * list with the same group run at the same time, and their output is printed at their end.
 */
const SUITES = [
  { name: 'server', command: 'node node_modules/ava/entrypoints/cli.mjs', count: ava },
  { name: 'typescript', command: 'make -C clients/typescript test', count: ava, group: 'clients' },
  {
    name: 'rust',
    command: 'make -C clients/rust test',
    count: cargo,
    group: 'clients',
    needs: ['cargo --version'],
    get: 'https://rustup.rs',
  },
  {
    name: 'go',
    command: 'make -C clients/go test ARGS=-v',
    count: go,
    group: 'clients',
    needs: ['go version'],
    get: 'https://go.dev/dl',
  },
  {
    name: 'python',
    command: 'make -C clients/python test',
    count: pytest,
    group: 'clients',
    needs: ['python3 -c "import ensurepip, venv"'],
    get: 'apt-get install python3-venv',
  },
  {
    name: 'java',
    command: 'make -C clients/java test',
    count: surefire,
    group: 'clients',
    needs: ['javac -version', 'mvn --version'],
    get: 'apt-get install maven openjdk-17-jdk-headless',
  },
  { name: 'conformance', command: 'npm run -s conformance', count: matrix },
  { name: 'demo', command: 'node scripts/demo.mjs', count: demo },
];

/**
 * Where the tests keep their files: in memory, where there is room, because each durable commit waits for the disk
 * otherwise, some hundred thousand times. Crashes and failing disks are made by the tests themselves, not by the disk.
 */
const MEMORY = '/dev/shm';
const MEMORY_NEEDED = 4 * 2 ** 30;

/** Suites of a group that run at the same time. */
const AT_ONCE = 2;

const MOST_MINUTES = 30;

/** The lines of a failed suite that its last lines repeat: names of failed tests, and of tests that never ended. */
const TELLING =
  /✘|✖|did not end|Timed out|Failed to exit|interrupt|--- FAIL|^FAILED|FAILED *\||^test .* FAILED|^\[ERROR\]|panicked/i;
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
process.exit(total.failed === 0 ? 0 : 1);

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

async function runSuite({ name, command, count, needs = [], get }, printed) {
  const missing = needs.filter((probe) => spawnSync(probe, { shell: true }).status !== 0);
  if (missing.length > 0) {
    console.log(`\n== ${name}: left out, \`${missing.join('` and `')}\` fails (${get})`);
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
    const telling = output.split('\n').filter((line) => TELLING.test(line));
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

/** The sum of the numbers that the pattern matches. */
function sum(output, pattern) {
  return [...output.matchAll(pattern)].reduce((all, [, number]) => all + Number(number), 0);
}

/** `12 tests passed`, `1 test failed`, `2 tests skipped`, `1 uncaught exception`. */
function ava(output) {
  return {
    passed: sum(output, /^\s*(\d+) tests? passed/gm),
    failed: sum(output, /^\s*(\d+) (?:tests? failed|uncaught exceptions?|unhandled rejections?)/gm),
    skipped: sum(output, /^\s*(\d+) tests? skipped/gm),
  };
}

/** `--- PASS: TestName` at the start of a line: tests, without subtests. */
function go(output) {
  const lines = (word) => (output.match(new RegExp(`^--- ${word}: `, 'gm')) ?? []).length;
  return { passed: lines('PASS'), failed: lines('FAIL'), skipped: lines('SKIP') };
}

/** `12 passed, 1 skipped in 3.4s`. */
function pytest(output) {
  const last = output.match(/^=*\s*\d+ (?:passed|failed|error).* in .*$/gm)?.at(-1) ?? '';
  return {
    passed: sum(last, /(\d+) passed/g),
    failed: sum(last, /(\d+) (?:failed|errors?)/g),
    skipped: sum(last, /(\d+) skipped/g),
  };
}

/** `Tests run: 12, Failures: 0, Errors: 0, Skipped: 0`: the last line is the sum. */
function surefire(output) {
  const last = [...output.matchAll(/Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)/g)].at(-1) ?? [];
  const [all = 0, failures = 0, errors = 0, skipped = 0] = last.slice(1).map(Number);
  return { passed: all - failures - errors - skipped, failed: failures + errors, skipped };
}

/** `test result: ok. 12 passed; 0 failed; 1 ignored`, for each part of the crate. */
function cargo(output) {
  return {
    passed: sum(output, /^test result:.* (\d+) passed/gm),
    failed: sum(output, /^test result:.* (\d+) failed/gm),
    skipped: sum(output, /^test result:.* (\d+) ignored/gm),
  };
}

/** The cells of the matrix, languages by scenarios: `ok`, `FAILED`, or `-` where a language cannot run a scenario. */
function matrix(output) {
  const cells = (text) => (output.match(new RegExp(`(?<=\\| )${text} *(?= \\|)`, 'g')) ?? []).length;
  return { passed: cells('ok'), failed: cells('FAILED'), skipped: cells('-') };
}

/** `five processes, one state`; a language may be left out where its tools are missing, not where its build fails. */
function demo(output) {
  const lines = (pattern) => (output.match(pattern) ?? []).length;
  return { passed: lines(/ processes, one state: /g), failed: lines(/left out, make .* fails/g), skipped: 0 };
}
