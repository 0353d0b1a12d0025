/**
 * Runs every test suite, one after the other, shows their output, and ends with one line for all:
 * `N passed, N failed, N skipped`. Names of suites as arguments run only those.
 */
import { spawn } from 'node:child_process';

/** How a suite is run, and how its counts are read from what it prints. */
const SUITES = [{ name: 'server', command: 'npx --no-install ava', count: ava }];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !SUITES.some((suite) => suite.name === name));
if (unknown.length > 0) {
  console.error(`no suite ${unknown.join(', ')}; there are ${SUITES.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

const total = { passed: 0, failed: 0, skipped: 0 };
for (const { name, command, count } of SUITES) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n== ${name}: ${command}`);
  const { code, output } = await run(command);
  const counts = count(output);
  // A runner that fails without a failed test has failed all the same: it did not start, or ended badly.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  if (code === 0 && counts.passed === 0) {
    console.error(`${name}: no test was run`);
    counts.failed = 1;
  }
  for (const key of Object.keys(total)) total[key] += counts[key];
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 ? 0 : 1);

function run(command) {
  return new Promise((resolve) => {
    const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
        process.stdout.write(text);
      });
    }
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** The closing lines of ava: `12 tests passed`, `1 test failed`, `2 tests skipped`, `1 uncaught exception`. */
function ava(output) {
  const sum = (pattern) => [...output.matchAll(pattern)].reduce((all, [, number]) => all + Number(number), 0);
  return {
    passed: sum(/^\s*(\d+) tests? passed/gm),
    failed: sum(/^\s*(\d+) (?:tests? failed|uncaught exceptions?|unhandled rejections?)/gm),
    skipped: sum(/^\s*(\d+) tests? skipped/gm),
  };
}
