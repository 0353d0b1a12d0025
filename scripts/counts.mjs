/** How many tests passed, failed and were skipped, read from the output of each runner. */

/** The sum of the numbers that the pattern matches. */
function sum(output, pattern) {
  return [...output.matchAll(pattern)].reduce((all, [, number]) => all + Number(number), 0);
}

/**
 * `12 tests passed`, `1 test failed`, `2 tests skipped`, `1 uncaught exception`. Where something failed, ava does not say how
 * many passed: each has a line with a tick.
 */
export function ava(output) {
  const ticks = (output.match(/^ +✔ /gm) ?? []).length;
  return {
    passed: sum(output, /^\s*(\d+) tests? passed/gm) || ticks,
    failed: sum(output, /^\s*(\d+) (?:tests? failed|uncaught exceptions?|unhandled rejections?)/gm),
    skipped: sum(output, /^\s*(\d+) tests? skipped/gm),
  };
}

/** `--- PASS: TestName` at the start of a line: tests, without subtests. */
export function go(output) {
  const lines = (word) => (output.match(new RegExp(`^--- ${word}: `, 'gm')) ?? []).length;
  return { passed: lines('PASS'), failed: lines('FAIL'), skipped: lines('SKIP') };
}

/** `12 passed, 1 skipped in 3.4s`. */
export function pytest(output) {
  const last = output.match(/^=*\s*\d+ (?:passed|failed|error).* in .*$/gm)?.at(-1) ?? '';
  return {
    passed: sum(last, /(\d+) passed/g),
    failed: sum(last, /(\d+) (?:failed|errors?)/g),
    skipped: sum(last, /(\d+) skipped/g),
  };
}

/** `Tests run: 12, Failures: 0, Errors: 0, Skipped: 0`: the last line is the sum. */
export function surefire(output) {
  const last = [...output.matchAll(/Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)/g)].at(-1) ?? [];
  const [all = 0, failures = 0, errors = 0, skipped = 0] = last.slice(1).map(Number);
  return { passed: all - failures - errors - skipped, failed: failures + errors, skipped };
}

/** `test result: ok. 12 passed; 0 failed; 1 ignored`, for each part of the crate. */
export function cargo(output) {
  return {
    passed: sum(output, /^test result:.* (\d+) passed/gm),
    failed: sum(output, /^test result:.* (\d+) failed/gm),
    skipped: sum(output, /^test result:.* (\d+) ignored/gm),
  };
}

/** The cells of the matrix, languages by scenarios: `ok`, `FAILED`, or `-` where a language cannot run a scenario. */
export function matrix(output) {
  const cells = (text) => (output.match(new RegExp(`(?<=\\| )${text} *(?= \\|)`, 'g')) ?? []).length;
  return { passed: cells('ok'), failed: cells('FAILED'), skipped: cells('-') };
}

/** `five processes, one state`; a language may be left out where its tools are missing, not where its build fails. */
export function demo(output) {
  const lines = (pattern) => (output.match(pattern) ?? []).length;
  return { passed: lines(/ process(?:es)?, one state: /g), failed: lines(/left out, make .* fails/g), skipped: 0 };
}
