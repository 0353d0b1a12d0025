/**
 * Authentication and authorization, and the check of open streams: when a caller's credentials expire, or tokens, keys
 * or rules change, a stream that is no longer allowed is closed.
 */
import { type Access, expired, refused } from '../../auth/authenticator.js';
import type { Identity } from '../../auth/identity.js';
import { ChordError } from '../../model/errors.js';
import { ID_BYTES_MAX } from '../../model/model.js';
import type { CallFor, Middleware } from '../call.js';
import { policyOf, type RequiredRight } from '../methods.js';
import { peerIdentity } from '../peer-identity.js';

/** How often streams are checked for expired credentials, in milliseconds. A timer for each stream could overflow. */
const LOOK_INTERVAL = 1000;

export class AuthMiddleware {
  readonly #open = new Set<CallFor<'identity'>>();
  readonly #timer: NodeJS.Timeout;

  constructor(private readonly access: Access) {
    access.onChange(() => void this.#checkAll());
    this.#timer = setInterval(() => this.#endExpired(), LOOK_INTERVAL).unref();
  }

  /** Authenticates the caller. */
  readonly identify: Middleware<'identity'> = {
    enter: (call) => {
      const found = this.#identify(call);
      if (found instanceof Promise) return found.then((identity) => this.#know(call, identity));
      return this.#know(call, found);
    },
  };

  /** Runs after decoding: rights apply to the contexts that the request names. */
  readonly authorize: Middleware<'identity'> = {
    enter: (call) => {
      this.#allow(call);
      if (call.method.streams) this.#open.add(call);
    },
    leave: (call) => void this.#open.delete(call),
  };

  close(): void {
    clearInterval(this.#timer);
  }

  #identify(call: CallFor): Identity | Promise<Identity> {
    const [authorization] = call.metadata.get('authorization');
    return this.access.identify(authorization as string | undefined, () => peerIdentity(call));
  }

  #know(call: CallFor<'identity'>, identity: Identity): void {
    call.identity = identity;
  }

  /**
   * Runs before anything is read: a caller without the right gets the same answer whether or not the context exists.
   */
  #allow(call: CallFor): void {
    const rule = policyOf(call.method)?.access;
    if (rule === 'open' || rule === 'identity') return;
    if (!rule) throw new ChordError('PERMISSION_DENIED', `no rule can allow ${call.method.name}`);
    for (const need of rule(call.request as never)) {
      if (!this.access.allow(call.identity, need.right, need.scope, need.target)) throw denied(need);
    }
  }

  async #checkAll(): Promise<void> {
    for (const call of this.#open) {
      try {
        const identity = await this.#identify(call);
        if (identity.name !== call.identity.name) throw refused();
        this.#know(call, identity); // the new credentials may expire at another time
        this.#allow(call);
      } catch (error) {
        this.#end(call, error as ChordError);
      }
    }
  }

  #endExpired(): void {
    for (const call of this.#open) {
      if (this.access.hasExpired(call.identity)) this.#end(call, expired());
    }
  }

  #end(call: CallFor<'identity'>, error: ChordError): void {
    if (!this.#open.has(call)) return;
    call.close(error);
  }
}

/** The target is not validated yet and may be as long as a message: what is quoted must fit into trailers. */
function denied({ right, scope, target }: RequiredRight): ChordError {
  const quoted = JSON.stringify(target.slice(0, ID_BYTES_MAX));
  const on = scope === 'id' ? quoted : `all that begins with ${quoted}`;
  const details = scope === 'id' && target.length <= ID_BYTES_MAX ? { contextId: target } : {};
  return new ChordError('PERMISSION_DENIED', `no right to ${right} ${on}`, details);
}
