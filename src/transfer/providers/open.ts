/** Opens the export provider of a URL. The code of a provider is loaded only where the provider is used. */
import { ChordError } from '../../model/errors.js';
import { readAuthorities } from '../../tls/pem.js';
import type { Provider } from '../export-provider.js';

/**
 * Opens without connecting: calls to a provider that is away fail one by one.
 * @param timeout of each call over a network, in milliseconds
 * @param ca PEM file of the authorities that grpcs: trusts; empty: the well-known ones
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
      throw new ChordError('FAILED_PRECONDITION', `there is no export provider for ${scheme}:`);
  }
}
