import type { Steps } from '../../src/model/steps.js';

/** The turns of the event loop that other work gets while this work is under way. */
export async function turnsOf(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const count = (): void => {
    turns++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  try {
    await work;
  } finally {
    over = true;
  }
  return turns;
}

/** The result of work in steps, and how many there were. */
export function stepsOf<T>(work: Steps<T>): { readonly result: T; readonly steps: number } {
  for (let steps = 1; ; steps++) {
    const step = work.next();
    if (step.done) return { result: step.value, steps };
  }
}
