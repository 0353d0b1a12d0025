/**
 * The store contract as tests: what src/store/store.ts promises, on any engine.
 *
 *     testStore(test, 'my engine', async () => ({ store, reopen, destroy }))
 */
import type { ExecutionContext, TestFn } from 'ava';
import type { Store } from '../../src/store/store.js';
import { testDue } from './due.js';
import { testAgainstMemory } from './model.js';
import { testReads } from './reads.js';
import { testWrites } from './writes.js';

/** An engine over storage of its own, empty at first. */
export interface Subject {
  readonly store: Store;
  /** Closes the store and opens another one on the same data. Absent: the engine does not outlive the process. */
  readonly reopen?: () => Promise<Store>;
  readonly destroy: () => Promise<void>;
}

export type MakeSubject = () => Promise<Subject>;

/** Declares a test with a store of its own. */
export type Check = (title: string, body: (t: ExecutionContext, subject: Subject) => Promise<void>) => void;

export function testStore(test: TestFn, name: string, make: MakeSubject): void {
  const check: Check = (title, body) =>
    test(`${name}: ${title}`, async (t) => {
      const subject = await make();
      try {
        await body(t, subject);
      } finally {
        await subject.destroy();
      }
    });
  testWrites(check);
  testReads(check);
  testDue(check);
  testAgainstMemory(test, name, make);
}
