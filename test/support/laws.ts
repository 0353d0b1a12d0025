/** The laws of src/testing as tests of ava. */
import type { TestFn } from 'ava';
import type { Law } from '../../src/testing/law.js';

export function testLaws<S>(test: TestFn, subject: string, laws: readonly Law<S>[], make: () => Promise<S>): void {
  for (const { name, run } of laws) {
    test(`${subject}: ${name}`, async (t) => {
      await run(make);
      t.pass();
    });
  }
}
