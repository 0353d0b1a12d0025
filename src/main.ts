#!/usr/bin/env -S node --max-semi-space-size=32 --no-allocation-site-pretenuring
/** The command `chord`. */
import { flushed } from './cli/output/output.js';
import { run } from './cli/program.js';

// The reader of the output has closed it (`chord ls | head`): that is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const code = await run(process.argv.slice(2));
// The end of the process drops what its reader has not taken yet.
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
process.exit(code);
