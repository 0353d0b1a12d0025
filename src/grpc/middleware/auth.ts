/**
 * Authentication and authorization, and the check of open streams: when a caller's credentials expire, or tokens, keys
 * or rules change, a stream that is no longer allowed is closed.
 */
import { type Access, expired, refused } from '../../auth/authenticator.js';
import type { Identity } from '../../auth/identity.js';
import { type Path, pathLength } from '../../delta/types.js';
import { ChordError } from '../../model/errors.js';
import { ID_BYTES_MAX } from '../../model/model.js';
import type { CallFor, Middleware } from '../call.js';
import { policyOf, type RequiredRight } from '../methods.js';
import { peerIdentity } from '../peer-identity.js';

/** How often streams are checked for expired credentials, in milliseconds. A timer for each stream could overflow. */
const LOOK_INTERVAL = 1000;

export class AuthMiddleware {
  readonly #open = new Set<CallFor<'identity' | 'rights'>>();
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
  readonly authorize: Middleware<'identity' | 'rights'> = {
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
  #allow(call: CallFor<'rights'>): void {
    const rule = policyOf(call.method)?.access;
    if (rule === 'open' || rule === 'identity') return;
    if (!rule) throw new ChordError('PERMISSION_DENIED', `no rule can allow ${call.method.name}`);
    let partial = false;
    for (const need of rule(call.request as never)) {
      if (this.access.allow(call.identity, need.right, need.scope, need.target)) continue;
      this.#allowParts(call.identity, need);
      partial = true;
    }
    call.rights = partial ? this.access.rightsOf(call.identity) : undefined;
  }

  /** Throws where the caller's right to parts of the document, if there is one, is not enough. */
  #allowParts(identity: Identity, need: RequiredRight): void {
    const parts = this.access.parts(identity, need.right, need.scope, need.target);
    if (!parts) throw denied(need);
    const outside = need.parts ? need.parts(need.request as never, parts) : [];
    if (outside) throw denied(need, outside);
  }

  async #checkAll(): Promise<void> {
    for (const call of this.#open) {
      try {
        const identity = await this.#identify(call);
        if (identity.name !== call.identity.name) throw refused();
        this.#know(call, identity); // the new credentials may expire at another time
        const before = call.rights?.key;
        this.#allow(call);
        if (call.rights?.key !== before) throw rightsChanged();
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

  #end(call: CallFor<'identity' | 'rights'>, error: ChordError): void {
    if (!this.#open.has(call)) return;
    call.close(error);
  }
}

/** The target is not validated yet and may be as long as a message: what is quoted must fit into trailers. */
function denied({ right, scope, target }: RequiredRight, outside?: Path): ChordError {
  const quoted = JSON.stringify(target.slice(0, ID_BYTES_MAX));
  const on = scope === 'id' ? quoted : `all that begins with ${quoted}`;
  const details = scope === 'id' && target.length <= ID_BYTES_MAX ? { contextId: target } : {};
  const part = outside?.length ? `${quotedPath(outside)} in ` : outside ? 'the whole of ' : '';
  return new ChordError('PERMISSION_DENIED', `no right to ${right} ${part}${on}`, details);
}

/** What a reader has of a document may lack what it may read now, and have what it may no longer read. */
function rightsChanged(): ChordError {
  const message = 'the rights inside documents have changed: begin again, without known positions';
  return new ChordError('PERMISSION_DENIED', message);
}

function quotedPath(path: Path): string {
  return pathLength(path) > ID_BYTES_MAX ? `a path of ${path.length} keys` : JSON.stringify(path);
}
