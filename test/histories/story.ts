import type { JsonObject } from '../../src/model/model.js';

/** An evolving document: each call edits it in place, and answers how many seconds have gone by. */
export interface Story {
  readonly document: JsonObject;
  step(): number;
}
