#!/usr/bin/env -S node --max-semi-space-size=32 --no-allocation-site-pretenuring
/** The command `chord`. */
import { flushed, Output } from './cli/output/output.js';
import { run } from './cli/program.js';

const args = process.argv.slice(2);
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of the output has closed it (`chord ls | head`): that is not a failure.
  if (error.code === 'EPIPE') process.exit(0);
  const message = `cannot write the output: ${error.message}`;
  new Output(args.includes('--json')).fail({ reason: 'FAILED', message });
  process.exit(1);
});

const code = await run(args);
// The end of the process drops what its reader has not taken yet.
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
process.exit(code);
