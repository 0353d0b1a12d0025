/** Whether callers are asked who they are, and the middleware that asks. */
import type { Logger } from 'pino';
import { asksCallers, settingsProblems } from '../auth/settings.js';
import { type Config, ConfigError } from '../config/config.js';
import type { Middleware } from '../grpc/call.js';
import type { Clock } from '../model/model.js';
import type { Limits } from '../quota/limits.js';

export interface Gate {
  readonly identify: Middleware<'identity'>;
  readonly authorize: Middleware<'identity'>;
  /** What the rules say of how much an identity may use. */
  limits(name: string): Limits | undefined;
  /** Reads tokens, keys and rules now. Files are looked at twice a second anyway. */
  reload(): Promise<void>;
  close(): void;
}

/**
 * Undefined where nobody is asked: everybody is anonymous, and may do everything.
 * @throws ConfigError where settings do not go together, ChordError where a file is not fit for use
 */
export async function openGate(config: Config, clock: Clock, log: Logger): Promise<Gate | undefined> {
  const problems = settingsProblems(config);
  if (problems.length > 0) throw new ConfigError(problems);
  if (!asksCallers(config)) return undefined;
  const [{ Access }, { AuthMiddleware }] = await Promise.all([
    import('../auth/authenticator.js'),
    import('../grpc/middleware/auth.js'),
  ]);
  const access = await Access.open(config, clock, {
    reloaded: (file) => log.info({ file }, 'tokens, keys or rules reloaded'),
    failed: ({ message }, file) =>
      log.error({ file, reason: message }, 'keeping the previous content: the file is invalid'),
    refused: (reason) => log.debug({ reason }, 'signed token refused'),
  });
  const guard = new AuthMiddleware(access);
  const close = () => {
    guard.close();
    access.close();
  };
  const { identify, authorize } = guard;
  return { identify, authorize, limits: (name) => access.limits(name), reload: () => access.reload(), close };
}
