/** The client on a page, for tests to call. */
import * as chord from 'chordstate/web';

// tsx names functions by a helper, which functions that a test sends to the page call.
const __name = (named: unknown) => named;
Object.assign(globalThis, { chord, __name });
