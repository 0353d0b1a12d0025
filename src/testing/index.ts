/**
 * For authors of stores and export providers: `import { storeLaws } from 'chordstate-server/testing'`. See
 * docs/extending.md.
 */
export type { Law } from './law.js';
export { type ProviderSubject, providerLaws } from './provider.js';
export { storeLaws } from './store.js';
export type { StoreLaw, StoreSubject } from './store-subject.js';
