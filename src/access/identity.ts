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
