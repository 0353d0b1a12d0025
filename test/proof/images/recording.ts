/**
 * What recorder.c wrote, as a list of steps; and the images that a disk may hold if the power goes at some step.
 *
 * What was synced is there. Of what was written since, each sector of 512 bytes (or each page of 4 KiB) is there or is not,
 * in any combination: that is more than what reordered writes, lost writes and torn writes can leave behind. A synchronous
 * write is there when it has returned, and whatever was written before it may still be missing.
 */
import type { Random } from '../random.js';

export type Step =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Buffer; readonly synchronous: boolean }
  | { readonly kind: 'truncate'; readonly size: number }
  | { readonly kind: 'sync' }
  | { readonly kind: 'ack'; readonly lines: readonly string[] };

export function parse(recorded: Buffer): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < recorded.length; ) {
    const letter = String.fromCharCode(recorded[at]!);
    if (letter === 'S') {
      steps.push({ kind: 'sync' });
      at += 1;
    } else if (letter === 'T') {
      steps.push({ kind: 'truncate', size: Number(recorded.readBigUInt64LE(at + 1)) });
      at += 9;
    } else if (letter === 'A') {
      const length = recorded.readUInt32LE(at + 1);
      const text = recorded.toString('utf8', at + 5, at + 5 + length);
      steps.push({ kind: 'ack', lines: text.trim().split('\n') });
      at += 5 + length;
    } else if (letter === 'W') {
      const length = recorded.readUInt32LE(at + 10);
      const bytes = recorded.subarray(at + 14, at + 14 + length);
      const offset = Number(recorded.readBigUInt64LE(at + 2));
      steps.push({ kind: 'write', offset, bytes, synchronous: recorded[at + 1] === 1 });
      at += 14 + length;
    } else throw new Error(`not a record: ${letter} at ${at}`);
  }
  return steps;
}

interface Pending {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** The disk while the steps happen, one after the other. */
export class Disk {
  /** What is there whatever happens. */
  #durable: Buffer = Buffer.alloc(0);
  /** What was written since, in order. */
  #pending: (Pending | number)[] = [];

  apply(step: Step): void {
    if (step.kind === 'sync') {
      for (const each of this.#pending.splice(0)) this.#durable = written(this.#durable, each);
    } else if (step.kind === 'truncate') this.#pending.push(step.size);
    else if (step.kind === 'write' && step.synchronous) this.#durable = written(this.#durable, step);
    else if (step.kind === 'write') this.#pending.push(step);
  }

  /** Whether there is anything that may be missing; `next`: a step that has begun. */
  get uncertain(): boolean {
    return this.#pending.length > 0;
  }

  /** What the disk holds if the power goes now, with `next` under way. `way`: how much of what was not synced is there. */
  image(random: Random, next: Step | undefined, way: 'none' | 'all' | 'writes' | 'pages' | 'sectors'): Buffer {
    const pending = next?.kind === 'write' ? [...this.#pending, next] : this.#pending;
    if (way === 'none') return Buffer.from(this.#durable);
    let image: Buffer = Buffer.from(this.#durable);
    for (const each of pending) {
      if (typeof each === 'number') {
        if (way === 'all' || random.chance(0.5)) image = written(image, each);
      } else if (way === 'all' || way === 'writes') {
        if (way === 'all' || random.chance(0.5)) image = written(image, each);
      } else {
        const unit = way === 'pages' ? 4096 : 512;
        for (const part of partsOf(each, unit)) if (random.chance(0.5)) image = written(image, part);
      }
    }
    return image;
  }
}

/** Cut where units of the disk begin. */
function partsOf({ offset, bytes }: Pending, unit: number): Pending[] {
  const parts: Pending[] = [];
  for (let at = offset; at < offset + bytes.length; ) {
    const end = Math.min(offset + bytes.length, (Math.floor(at / unit) + 1) * unit);
    parts.push({ offset: at, bytes: bytes.subarray(at - offset, end - offset) });
    at = end;
  }
  return parts;
}

/** The file after a write, or after it got this size; changed in place where it is large enough. */
function written(file: Buffer, change: Pending | number): Buffer {
  const end = typeof change === 'number' ? change : Math.max(file.length, change.offset + change.bytes.length);
  const result = end === file.length ? file : end < file.length ? file.subarray(0, end) : Buffer.concat([file], end);
  if (typeof change !== 'number') change.bytes.copy(result, change.offset);
  return result;
}
