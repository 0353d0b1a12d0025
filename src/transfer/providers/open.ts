/** The provider that a URL names. What it needs is loaded only where it is used. */
import { ChordError } from '../../model/errors.js';
import { readAuthorities } from '../../tls/pem.js';
import type { Provider } from '../export-provider.js';

/**
 * Opens without a connection: a provider that is away fails call by call.
 * @param timeout of each call over a network, in milliseconds
 * @param ca PEM file of the authorities to trust with grpcs:; empty: the well-known ones
 */
export async function openProvider(url: string, timeout: number, ca = ''): Promise<Provider> {
  const scheme = url.slice(0, url.indexOf(':'));
  switch (scheme) {
    case 'file':
      return (await import('./file.js')).openFiles(url);
    case 'grpc':
    case 'grpcs': {
      const authorities = ca === '' ? undefined : await readAuthorities('exportCa', ca);
      return (await import('./grpc.js')).openRemote(url, timeout, authorities);
    }
    case 'postgres':
    case 'postgresql':
      return (await import('./postgres.js')).openPostgres(url, timeout);
    default:
      throw new ChordError('FAILED_PRECONDITION', `no external store is known by ${scheme}:`);
  }
}
