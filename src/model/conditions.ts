/** Conditions on a document, and what is said of those that do not hold. */
import type { Json, Position } from './model.js';

/** A test of the value at a path: object keys from the root. */
export interface DocumentCheck {
  readonly path: readonly string[];
  readonly test: CheckTest;
}

export type CheckTest =
  | { readonly kind: 'equals'; readonly value: Json }
  /** Whether the path has a value, null included. */
  | { readonly kind: 'exists'; readonly yes: boolean }
  /** The value is a number, and not below or not above this one. */
  | { readonly kind: 'atLeast'; readonly limit: number }
  | { readonly kind: 'atMost'; readonly limit: number };

/** Why a position cannot be compared with the current one. */
export type SinceReason = 'epoch_changed' | 'ahead' | 'diverged' | 'history_truncated';

/** What of a write's conditions does not hold. */
export interface Unmet {
  /** The current position of the context; null where the context does not exist. */
  readonly current: Position | null;
  readonly sinceReason?: SinceReason | undefined;
  readonly conditions: readonly UnmetOne[];
}

/**
 * `touchedAt`: the last version that touched the path, an ancestor or a descendant of it. `author`: the identity that wrote
 * that version; absent: the writer was not authenticated, or the version is not in memory.
 */
export type UnmetOne =
  | { readonly path: readonly string[]; readonly touchedAt: number; readonly author?: string | undefined }
  | { readonly path: readonly string[]; readonly check: DocumentCheck };
