/** Reads of contexts as they were. */
import type { Path } from '../../delta/types.js';
import type { Position } from '../../model/model.js';
import type { Store } from '../../store/store.js';
import { type BlamePage, blame } from '../blame/blame.js';
import type { View } from '../events.js';
import type { Lane } from '../lane/lane.js';
import type { PageOptions } from '../pagination.js';
import { checkId } from '../validation.js';
import { documentViewAt, encodedView, type PastBudget, past, versionAt } from './point-in-time.js';

export class PastReads {
  /** @param living the lane of a context that has not expired, with every commit acknowledged before; or NOT_FOUND */
  constructor(
    private readonly store: Store,
    private readonly living: (id: string) => Promise<Lane>,
  ) {}

  /**
   * NOT_FOUND above the current version, FAILED_PRECONDITION where the version is no longer retained. `budget`: what is left
   * of it afterwards tells what was read.
   */
  async atVersion(id: string, version: number, budget?: PastBudget): Promise<View> {
    checkId(id);
    return encodedView(id, await past(this.store, await this.living(id), version, budget));
  }

  /** The same for a time in milliseconds since 1970. NOT_FOUND where the current life began later. */
  async atTime(id: string, time: number, budget?: PastBudget): Promise<View> {
    checkId(id);
    return this.atVersion(id, await versionAt(this.store, await this.living(id), time), budget);
  }

  /**
   * Who made each part of the document what it is; `paths`: these parts alone. NOT_FOUND without context; INVALID_ARGUMENT for
   * an invalid request.
   */
  async blame(id: string, paths: readonly Path[] | undefined, options: PageOptions): Promise<BlamePage> {
    checkId(id);
    return blame(this.store, await this.living(id), paths, options);
  }

  /** The same for a position, though the context may have moved on just now; also where the version is of another life. */
  async atPosition(id: string, position: Position): Promise<View> {
    return encodedView(id, await documentViewAt(this.store, await this.living(id), position));
  }
}
