/**
 * What a reader may have shown, held against the batches that were written: of each batch it had either all that it
 * watches or nothing. Positions alone say so: each is known by its place among all that its context ever had.
 */
import type { Position } from '../../src/model/model.js';
import type { Copy, Reader } from '../support/reader.js';
import type { Plain } from './plain.js';

type Moment = ReadonlyMap<string, Position>;

/** Where a batch left a context, or, `gone`, where it stood last. */
export interface Left {
  readonly position: Position;
  readonly gone: boolean;
}

export class Moments {
  readonly #of = new Map<Reader, Moment[]>();
  readonly #batches: ReadonlyMap<string, Left>[] = [];

  /** From now on notes what this reader has whenever it could be shown. */
  follow(reader: Reader): void {
    const moments: Moment[] = [];
    this.#of.set(reader, moments);
    reader.onSettled = () => {
      if (reader.log.includes('caught_up')) moments.push(positionsOf(reader.copies));
    };
  }

  written(batch: ReadonlyMap<string, Left>): void {
    if (batch.size > 1) this.#batches.push(batch);
  }

  /** Throws where a reader had a part of a batch that it did not have when it was caught up. */
  check(plain: Plain): void {
    for (const [reader, moments] of this.#of) {
      const [first] = moments;
      for (const batch of this.#batches) {
        if (!first || seen(first, batch, plain) !== 'nothing') continue;
        const torn = moments.find((moment) => seen(moment, batch, plain) === 'a part');
        if (torn) throw new Error(`${reader.targets}: half of ${[...batch.keys()]} in ${show(torn)}; ${reader.log}`);
      }
    }
  }
}

/** Contexts that the reader does not have, or of which it only claimed a version, say nothing. */
function seen(moment: Moment, batch: ReadonlyMap<string, Left>, plain: Plain): 'all' | 'nothing' | 'a part' {
  const answers = new Set<boolean>();
  for (const [id, { position, gone }] of batch) {
    const at = moment.get(id);
    if (!at) continue;
    const [has, left] = [placeOf(id, at, plain), placeOf(id, position, plain)];
    if (has >= 0 && left >= 0) answers.add(gone ? has > left : has >= left);
  }
  return answers.size > 1 ? 'a part' : answers.has(true) ? 'all' : 'nothing';
}

function placeOf(id: string, { epoch, version, digest }: Position, plain: Plain): number {
  const past = plain.past.get(id) ?? [];
  return past.findIndex(
    ({ position }) => position.epoch === epoch && position.version === version && position.digest === digest,
  );
}

function positionsOf(copies: ReadonlyMap<string, Copy>): Moment {
  return new Map([...copies].map(([id, { position }]) => [id, position]));
}

function show(positions: Moment): string {
  return [...positions].map(([id, { epoch, version }]) => `${id} ${epoch}:${version}`).join(', ');
}
