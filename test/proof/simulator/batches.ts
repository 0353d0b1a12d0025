/**
 * What a reader may show, held against the batches: of each batch it shows either all contexts that it has, or none. A
 * batch of which it had a part when it was first caught up came context by context, and is left out.
 */
import type { Copy } from '../../support/reader.js';
import type { BatchPlaces, Disk } from './disk.js';

export class BatchWatch {
  /** Batches that each reader had a part of from the beginning, and the number of those that there were then. */
  readonly #parted = new Map<object, ReadonlySet<BatchPlaces>>();

  constructor(private readonly disk: Disk) {}

  /** This reader could show these now. Throws where half of a batch is among them. */
  shows(reader: object, copies: ReadonlyMap<string, Copy>): void {
    let parted = this.#parted.get(reader);
    if (!parted) {
      parted = new Set(this.disk.batches.filter((batch) => this.#seen(batch, copies) !== 'nothing'));
      this.#parted.set(reader, parted);
    }
    for (const batch of this.disk.batches) {
      if (parted.has(batch) || this.#seen(batch, copies) !== 'a part') continue;
      const places = [...copies].map(([id, { position }]) => `${id}[${this.disk.at(id, position)?.place}]`);
      throw new Error(`a part of the batch ${[...batch].map(([id, place]) => `${id}[${place}]`)} is shown: ${places}`);
    }
  }

  forget(reader: object): void {
    this.#parted.delete(reader);
  }

  #endedBetween(id: string, place: number, at: number): boolean {
    return this.disk.chainOf(id).some((state) => !state.position && state.place > place && state.place < at);
  }

  /** A context that the reader does not have says nothing: it may have gone. */
  #seen(batch: BatchPlaces, copies: ReadonlyMap<string, Copy>): 'all' | 'nothing' | 'a part' {
    let [has, lacks] = [false, false];
    for (const [id, place] of batch) {
      const copy = copies.get(id);
      const at = copy && this.disk.at(id, copy.position)?.place;
      // Of a life that has ended a reader need not have been sent anything; a later one comes on its own.
      if (at === undefined || this.#endedBetween(id, place, at)) continue;
      if (at >= place) has = true;
      else lacks = true;
    }
    return has && lacks ? 'a part' : has ? 'all' : 'nothing';
  }
}
