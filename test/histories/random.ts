/** Random numbers that are the same on every machine: mulberry32. */
export class Random {
  constructor(private state: number) {}

  /** From 0 up to 1, without 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to `below`, without it. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** One of these by their weights. */
  weighted<T>(choices: readonly (readonly [weight: number, value: T])[]): T {
    let rest = this.next() * choices.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, value] of choices) {
      rest -= weight;
      if (rest < 0) return value;
    }
    return choices.at(-1)![1];
  }

  /** Words in a row. */
  words(count: number): string {
    return Array.from({ length: count }, () => this.pick(WORDS)).join(' ');
  }
}

const WORDS = [
  ...['after', 'again', 'always', 'and', 'before', 'branch', 'build', 'café', 'change', 'chord', 'clear', 'daily'],
  ...['done', 'each', 'early', 'fine', 'first', 'fixed', 'for', 'green', 'later', 'lunch', 'merge', 'naïve', 'next'],
  ...['not', 'now', 'open', 'other', 'plan', 'please', 'question', 'quick', 'ready', 'release', 'review', 'same'],
  ...['see', 'slow', 'some', 'soon', 'test', 'thanks', 'the', 'then', 'this', 'today', 'tomorrow', 'wait', 'why'],
  ...['with', 'works', 'привет', '日本語', '👍', '"quoted"', 'a/b', '~'],
];
