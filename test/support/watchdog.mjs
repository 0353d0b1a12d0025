/**
 * Ends a test file that does not end by itself, so that ava names the file. A test that looks again and again for what
 * never comes keeps its process busy, and ava's own time limit counts from the last test that ended, and grows with any
 * test that asks for more time. Long runs set CHORD_TEST_MINUTES.
 */
const minutes = Number(process.env.CHORD_TEST_MINUTES ?? 10);
setTimeout(() => {
  console.error(`a test file did not end within ${minutes} minutes`);
  process.exit(1);
}, minutes * 60_000).unref();
