/** A process of its own that opens the data directory named on its command line, says so, and keeps it. */
import { openLmdb } from '../../../src/store/lmdb/store.js';
import { write } from '../../../src/testing/commits.js';

const store = await openLmdb({ directory: process.argv[2]! });
await write(store, 'a', 3);
process.stdout.write('open\n');
setInterval(() => {}, 60_000);
