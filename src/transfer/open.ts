/** The provider that a URL names. What it needs is loaded only where it is used. */
import { ChordError } from '../errors.js';
import type { Provider } from './provider.js';

/**
 * Opens without a connection: a provider that is away fails call by call.
 * @param timeout of each call over a network, in milliseconds
 */
export async function openProvider(url: string, timeout: number): Promise<Provider> {
  const scheme = url.slice(0, url.indexOf(':'));
  switch (scheme) {
    case 'file':
      return (await import('./file.js')).openFiles(url);
    case 'grpc':
      return (await import('./grpc.js')).openRemote(url, timeout);
    case 'postgres':
    case 'postgresql':
      return (await import('./postgres.js')).openPostgres(url, timeout);
    default:
      throw new ChordError('FAILED_PRECONDITION', `no external store is known by ${scheme}:`);
  }
}
