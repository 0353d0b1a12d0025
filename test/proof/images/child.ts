/** One run in a process of its own: `child.ts <seed> <images> [image]`. LMDB keeps address space of what it had open. */
import { inspectImages } from './run.js';

const [seed, images, image] = process.argv.slice(2).map(Number) as [number, number, number | undefined];
try {
  console.log(JSON.stringify(await inspectImages(seed, images, image)));
} catch (error) {
  console.log((error as Error).message);
  process.exit(1);
}
