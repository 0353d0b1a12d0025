#!/usr/bin/env -S node --max-semi-space-size=32 --no-allocation-site-pretenuring
/** The command `chord`. */
import { run } from './cli/program.js';

// The reader of the output has closed it (`chord ls | head`): that is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exit(await run(process.argv.slice(2)));
