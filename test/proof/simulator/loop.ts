/**
 * An event loop of its own time. While it is installed, timers, immediates, `performance.now` and random bytes of the whole
 * process come from here: a task runs when nothing else is due before it, and the clock jumps from task to task. Between
 * two tasks all microtasks run. So a run depends on its seed alone, and takes no time but its work.
 *
 * Immediates and timers of one moment run in the order in which they were made, as in Node.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import type { Random } from '../random.js';

interface Task {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

const real = {
  setImmediate: globalThis.setImmediate,
  setTimeout: globalThis.setTimeout,
  setInterval: globalThis.setInterval,
  clearTimeout: globalThis.clearTimeout,
  clearInterval: globalThis.clearInterval,
  clearImmediate: globalThis.clearImmediate,
  now: performance.now,
  random: Math.random,
  randomBytes: crypto.randomBytes,
  turn: timers.setImmediate,
  delay: timers.setTimeout,
};

export class Loop {
  /** Milliseconds since the start. */
  now = 0;
  /** Tasks that have run. */
  steps = 0;
  #made = 0;
  /** A binary heap, the next task first. */
  readonly #heap: Task[] = [];

  constructor(private readonly random: Random) {}

  /** Runs the task in so many milliseconds. */
  later(delay: number, run: () => void): { cancel(): void } {
    const task: Task = { at: this.now + Math.max(0, Math.floor(delay)), order: this.#made++, run };
    this.#push(task);
    return {
      cancel() {
        task.run = undefined;
      },
    };
  }

  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => void this.later(delay, resolve));
  }

  /** Runs tasks until the promise settles. Throws where nothing is left to do, or after so many steps. */
  async until<T>(promise: Promise<T>, stepsMax: number, afterEach: () => void): Promise<T> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    promise.then(mark, mark);
    await turn();
    for (let left = stepsMax; !settled; left--) {
      if (left === 0) throw new Error(`not done after ${stepsMax} steps`);
      const task = this.#pop();
      if (!task) throw new Error('nothing is left to do, and the run is not done');
      if (!task.run) continue;
      this.now = task.at;
      this.steps++;
      task.run();
      await turn();
      afterEach();
    }
    return promise;
  }

  install(): void {
    const make =
      (every: boolean) =>
      (run: (...args: unknown[]) => void, delay?: number, ...args: unknown[]) =>
        new SimulatedTimer(this, () => run(...args), Math.max(1, delay ?? 1), every);
    const clear = (timer: SimulatedTimer | undefined) => timer?.clear();
    Object.assign(globalThis, {
      setTimeout: make(false),
      setInterval: make(true),
      setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) =>
        new SimulatedTimer(this, () => run(...args), 0, false),
      clearTimeout: clear,
      clearInterval: clear,
      clearImmediate: clear,
    });
    performance.now = () => this.now;
    Math.random = () => this.random.next();
    Object.assign(crypto, { randomBytes: (count: number) => this.random.bytes(count) });
    Object.assign(timers, {
      setImmediate: (value: unknown) => this.sleep(0).then(() => value),
      setTimeout: (delay: number, value: unknown) => this.sleep(delay).then(() => value),
    });
    syncBuiltinESMExports();
  }

  uninstall(): void {
    const { setImmediate, setTimeout, setInterval, clearTimeout, clearInterval, clearImmediate } = real;
    Object.assign(globalThis, {
      ...{ setImmediate, setTimeout, setInterval, clearTimeout, clearInterval, clearImmediate },
    });
    performance.now = real.now;
    Math.random = real.random;
    Object.assign(crypto, { randomBytes: real.randomBytes });
    Object.assign(timers, { setImmediate: real.turn, setTimeout: real.delay });
    syncBuiltinESMExports();
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let i = heap.push(task) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(task, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = task;
  }

  #pop(): Task | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function before(a: Task, b: Task): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Resolves when all microtasks have run. */
function turn(): Promise<void> {
  return new Promise((resolve) => void real.setImmediate(resolve));
}

class SimulatedTimer {
  #task: { cancel(): void } | undefined;

  constructor(
    private readonly loop: Loop,
    private readonly run: () => void,
    private readonly delay: number,
    private readonly every: boolean,
  ) {
    this.#arm();
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  refresh(): this {
    this.#task?.cancel();
    this.#arm();
    return this;
  }

  clear(): void {
    this.#task?.cancel();
    this.#task = undefined;
  }

  #arm(): void {
    this.#task = this.loop.later(this.delay, () => {
      if (this.every) this.#arm();
      this.run();
    });
  }
}
