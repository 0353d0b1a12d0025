/** A server with quotas whose clock stands still, and on which a call can be held up. */
import type { ExecutionContext } from 'ava';
import { type Config, loadConfig } from '../../src/config/config.js';
import { Formats } from '../../src/contexts/sync/formats.js';
import { decoded, type Middleware } from '../../src/grpc/call.js';
import { charge } from '../../src/grpc/middleware/quota.js';
import { GrpcServer } from '../../src/grpc/server.js';
import { Connections } from '../../src/observability/connections.js';
import { Deliveries } from '../../src/observability/deliveries.js';
import type { Limits } from '../../src/quota/limits.js';
import { Quotas } from '../../src/quota/quotas.js';
import { openChord } from '../../src/server/app.js';
import { connect, type Peer } from './chord.js';

export interface Limited {
  readonly address: string;
  /** What a second brings comes when the test says so, in milliseconds. */
  readonly clock: { now: number };
  /** A connection of this identity. */
  readonly as: (name: string) => Peer;
  /** From now on calls with this context id wait behind all middleware. Resolves when so many wait. */
  readonly hold: (contextId: string, count: number) => Promise<void>;
  /** What is held goes on, and waits no more. */
  readonly letGo: () => void;
  /** Resolves when one more call has ended. */
  readonly left: () => Promise<void>;
}

export async function serveLimited(
  t: ExecutionContext,
  settings: Partial<Config>,
  limitsOf?: (identity: string) => Limits | undefined,
): Promise<Limited> {
  const config = loadConfig({ options: { listen: '127.0.0.1:0', backend: 'memory', ...settings } });
  const engine = await openChord({ backend: 'memory' });
  const clock = { now: 0 };
  const { quotas, connectionQuotas } = config;
  const waiting = new Set<() => void>();
  let held: string | undefined;
  let left = 0;
  let changed = () => {};
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise<void>((resolve) => (changed = resolve));
  };

  const identify: Middleware<'identity'> = {
    enter(call) {
      const [shown] = call.metadata.get('authorization');
      call.identity = { name: String(shown).replace('Bearer ', ''), kind: 'token' };
    },
    leave() {
      left++;
      changed();
    },
  };
  const holding: Middleware = {
    enter({ request }) {
      if (held === undefined || (request as { contextId?: string }).contextId !== held) return;
      return new Promise((resolve) => {
        waiting.add(resolve);
        changed();
      });
    },
  };
  const server = GrpcServer.local({
    ...config,
    ...{ service: engine.contexts, hub: engine.hub, cleanup: engine.cleanup, transfer: engine.transfer },
    ...{ formats: new Formats(), deliveries: new Deliveries(), certificates: undefined },
    connections: new Connections({ changed() {}, refused() {} }),
    ...{
      store: engine.store,
      clock: Date.now,
      stats: { version: '', backend: '', startedAt: 0, look: () => t.fail() as never },
    },
    middleware: [
      identify,
      decoded,
      charge(new Quotas({ quotas, connectionQuotas, limitsOf, now: () => clock.now })),
      holding,
    ],
    onDefect: (error) => t.fail(String(error)),
  });
  const address = await server.start();
  const letGo = (): void => {
    held = undefined;
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  t.teardown(async () => {
    letGo();
    await server.stop(0, 0);
    await engine.close();
  });
  return {
    address,
    clock,
    as: (name) => connect(t, address).show(name),
    hold: (contextId, count) => {
      held = contextId;
      return until(() => waiting.size >= count);
    },
    letGo,
    left: () => {
      const before = left;
      return until(() => left > before);
    },
  };
}
