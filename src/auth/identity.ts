/** The identity of a caller. */
export interface Identity {
  /** The name in rules, quotas and logs. */
  readonly name: string;
  /** The kind of credentials. */
  readonly kind: 'anonymous' | 'token' | 'jwt' | 'certificate';
  /** When the credentials expire, in milliseconds since 1970. */
  readonly expiresAt?: number;
  /** Of a signed token: those claims that the rules name and whose values are texts. */
  readonly claims?: ReadonlyMap<string, string>;
}

/** The identity of every caller of a server without authentication. */
export const ANONYMOUS: Identity = { name: 'anonymous', kind: 'anonymous' };

/** In rules: every authenticated caller. No identity has this name. */
export const ANYBODY = '*';

const NAME_LENGTH_MAX = 256;

/**
 * What is wrong with the name of an identity; undefined for a valid name. Names are compared as they stand, without
 * normalisation. Invisible characters (control characters, zero widths, changes of direction) are refused: they would
 * make two names look alike in rules and logs.
 */
export function nameProblem(name: unknown): string | undefined {
  if (typeof name !== 'string' || name === '') return 'a name is a text that is not empty';
  if (name.length > NAME_LENGTH_MAX) return `a name has at most ${NAME_LENGTH_MAX} characters`;
  if (name === ANYBODY) return `${ANYBODY} means every caller in rules, and cannot be a name`;
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) return 'a name has no invisible characters';
  return undefined;
}
