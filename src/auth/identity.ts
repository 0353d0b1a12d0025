/** Who calls. */
export interface Identity {
  /** As rules, quotas and logs name it. */
  readonly name: string;
  /** What it showed. */
  readonly kind: 'anonymous' | 'token' | 'jwt' | 'certificate';
  /** When what it showed ends, in milliseconds since 1970. */
  readonly expiresAt?: number;
}

/** Every caller of a server that asks nobody. */
export const ANONYMOUS: Identity = { name: 'anonymous', kind: 'anonymous' };

/** In rules: everybody who has shown who it is. Nobody's name. */
export const ANYBODY = '*';

const NAME_LENGTH_MAX = 256;

/**
 * What is wrong with the name of an identity; undefined where nothing is. Names are compared as they stand, without
 * any normalisation. What people cannot see (control characters, zero widths, changes of direction) would make two
 * names look alike in rules and logs, and is refused.
 */
export function nameProblem(name: unknown): string | undefined {
  if (typeof name !== 'string' || name === '') return 'a name is a text that is not empty';
  if (name.length > NAME_LENGTH_MAX) return `a name has at most ${NAME_LENGTH_MAX} characters`;
  if (name === ANYBODY) return `${ANYBODY} means everybody in rules, and is no name`;
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) return 'a name has no invisible characters';
  return undefined;
}
