/** Loaded into the server under soak: at SIGUSR2 it collects all garbage, and adds a line with the bytes that are left. */
import { appendFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

process.on('SIGUSR2', () => {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  appendFileSync(process.env.SOAK_PROBE, `${heapUsed + external}\n`);
});
