#!/usr/bin/env -S node --max-semi-space-size=32 --no-allocation-site-pretenuring
/** The command `chord`. */
import { run } from './cli/program.js';

// Whoever read our output has had enough (`chord ls | head`): that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exit(await run(process.argv.slice(2)));
