/** Builds the authentication and authorization of a server from its settings. */
import type { Logger } from 'pino';
import { asksCallers, settingsProblems } from '../auth/settings.js';
import { type Config, ConfigError } from '../config/config.js';
import type { Middleware } from '../grpc/call.js';
import type { Clock } from '../model/model.js';
import type { Limits } from '../quota/limits.js';

export interface Gate {
  readonly identify: Middleware<'identity'>;
  readonly authorize: Middleware<'identity' | 'rights'>;
  /** The limits that the rules give to an identity. */
  limits(name: string): Limits | undefined;
  /** Reads tokens, keys and rules now. The files are also polled, twice a second. */
  reload(): Promise<void>;
  close(): void;
}

/**
 * Undefined without authentication: every caller is anonymous and may do everything.
 * @throws ConfigError for settings that contradict one another, ChordError for an invalid file
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
