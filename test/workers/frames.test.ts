/** Frames between the engine and its workers. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { FrameWriter, readFrames } from '../../src/workers/frames.js';

async function pair(t: ExecutionContext): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const there = connect((server.address() as { port: number }).port, '127.0.0.1');
  const [here] = (await once(server, 'connection')) as [Socket];
  t.teardown(() => {
    for (const each of [there, here]) each.destroy();
    server.close();
  });
  return [there, here];
}

test('frames of any size arrive as they were written, however they are cut on the way', async (t) => {
  const [there, here] = await pair(t);
  const writer = new FrameWriter(there);
  const sizes = [
    0,
    1,
    4,
    127,
    128,
    16_384,
    40_000,
    3_000_000,
    5,
    70_000,
    ...Array.from({ length: 5000 }, (_, i) => i % 50),
  ];
  const got: string[] = [];
  const all = new Promise<void>((resolve) => {
    readFrames(here, (frame) => {
      const [kind, number, text, bytes] = [frame.kind, frame.int(), frame.text(), frame.bytes()];
      t.false(frame.more);
      t.true(bytes.every((byte) => byte === number % 256));
      got.push(`${kind} ${number} ${text} ${bytes.length}`);
      if (got.length === sizes.length) resolve();
    });
  });
  const numbers = sizes.map((_, i) => (i % 3 === 0 ? 2 ** 32 - 1 - i : i * 1000));
  for (const [i, size] of sizes.entries()) {
    const number = numbers[i]!;
    writer
      .begin(1 + (i % 9))
      .int(number)
      .text(`é${i}`)
      .bytes(Buffer.alloc(size, number % 256))
      .end();
    if (i % 1000 === 3) await new Promise((resolve) => setImmediate(resolve));
  }
  await all;
  t.deepEqual(
    got,
    sizes.map((size, i) => `${1 + (i % 9)} ${numbers[i]} é${i} ${size}`),
  );
});
