/** The algebra of deltas: pure functions on documents and changes. docs/deltas.md has the laws. */
export { apply, applyInPlace } from './apply.js';
export { diff, diffAt } from './diff.js';
export { equal } from './equal.js';
export { invert } from './invert.js';
export { merge } from './merge.js';
export { DeltaMismatch } from './mismatch.js';
export type { Added, Change, Changes, Modified, Path, Removed, Spliced, TextSpliced } from './types.js';
export { weigh, weightChange } from './weigh.js';
