/** Damaged fields of pages, tried on LMDB itself: where reads or writes crash or find other data, verify has found something. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { verify } from '../../src/maintenance/verify.js';
import { ChordError } from '../../src/model/errors.js';
import { type BTree, PageFile } from '../../src/store/lmdb/fsck/pages.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { filled } from './directories.js';

const USE = new URL('use-directory.mjs', import.meta.url).pathname;
const PAGE = 4096;
const SEEDS = Number(process.env.FUZZ_SEEDS ?? 150);
const FIRST = Number(process.env.FUZZ_FIRST ?? 1);

type Random = (below: number) => number;

/** mulberry32. */
function random(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** The fields that LMDB trusts, as [offset, length] in bytes: of the metas, page heads, pointers, nodes, trees, free lists. */
function fieldsOf(path: string): [number, number][] {
  const file = new PageFile(path);
  const fields: [number, number][] = [];
  const page = (at: number) =>
    fields.push([at, 8], [at + 8, 8], [at + 16, 2], [at + 18, 2], [at + 20, 2], [at + 22, 2]);
  const tree = (at: number) =>
    fields.push(
      [at, 4],
      [at + 4, 2],
      [at + 6, 2],
      ...[8, 16, 24, 32, 40].map((by) => [at + by, 8] as [number, number]),
    );
  const visit = ({ root }: BTree, bytes: Buffer, list = false): void => {
    if (root === null) return;
    page(root * PAGE);
    for (const [i, node] of file.page(root).nodes.entries()) {
      const pointer = root * PAGE + 24 + 2 * i;
      const at = root * PAGE + 24 + bytes.readUInt16LE(pointer);
      fields.push([pointer, 2], [at, 2], [at + 2, 2], [at + 4, 2], [at + 6, 2]);
      const data = at + 8 + node.key.length;
      const inner = file.tree(node);
      if (inner) tree(data);
      if (inner) visit(inner, bytes);
      if (list) for (let by = 0; by < node.value!.length; by += 8) fields.push([data + by, 8]);
      if (node.child !== undefined) visit({ root: node.child } as BTree, bytes, list);
      if (node.value?.first === undefined) continue;
      fields.push([data, 8], [data + 8, 8], [data + 16, 8]);
      page(node.value.first * PAGE);
    }
  };
  const bytes = readFileSync(path);
  for (const at of [0, PAGE]) {
    page(at);
    fields.push([at + 24, 4], [at + 28, 4], [at + 32, 8], [at + 40, 8], [at + 144, 8], [at + 152, 8]);
    for (const by of [48, 96]) tree(at + by);
  }
  visit(file.meta.free, bytes, true);
  visit(file.meta.main, bytes);
  file.close();
  return fields;
}

/** A flipped bit, another value near it, any value, or none. */
function damage(bytes: Buffer, [at, length]: [number, number], next: Random): string {
  const before = bytes.toString('hex', at, at + length);
  const byte = at + next(length);
  const way = next(4);
  if (way === 0) bytes[byte]! ^= 1 << next(8);
  else if (way === 1) bytes[at] = bytes[at]! + [1, 2, 254, 255][next(4)]!;
  else if (way === 2) for (let i = 0; i < length; i++) bytes[at + i] = next(256);
  else bytes.fill(next(2) * 0xff, at, at + length);
  return `offset ${at} (page ${Math.floor(at / PAGE)}, byte ${at % PAGE}): ${before} -> ${bytes.toString('hex', at, at + length)}`;
}

async function problems(directory: string): Promise<number> {
  try {
    return (await verify(directory, { onDamage: () => {} })).damages;
  } catch (error) {
    if (error instanceof ChordError) return 1;
    throw error;
  }
}

/** What reads find before and after writes; or how the process ended. */
async function used(directory: string): Promise<string> {
  const run = promisify(execFile)(process.execPath, [USE, directory], { timeout: 60_000 });
  return run.then(
    ({ stdout }) => stdout,
    ({ code, signal, stderr }) => `ended: ${code ?? signal} ${String(stderr).slice(-300)}`,
  );
}

test('what ends LMDB, or lets it answer other data, verify finds', async (t) => {
  t.timeout(600_000);
  const source = await filled(t, 60);
  const whole = await readFile(join(source, 'data.mdb'));
  const fields = fieldsOf(join(source, 'data.mdb'));
  const scratch = await temporaryDirectory(t);
  const copy = async (name: string, bytes: Buffer) => {
    const directory = join(scratch, name);
    await mkdir(directory);
    await writeFile(join(directory, 'data.mdb'), bytes);
    return directory;
  };
  const sound = await used(await copy('sound', whole));
  t.regex(sound, /^[0-9a-f]{64}\n$/);
  let silent = 0;
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const next = random(seed);
    const bytes = Buffer.from(whole);
    const what = damage(bytes, fields[next(fields.length)]!, next);
    const directory = await copy(`${seed}`, bytes);
    if (bytes.equals(whole) || (await problems(directory)) > 0) continue;
    silent++;
    t.is(await used(directory), sound, `FUZZ_FIRST=${seed} FUZZ_SEEDS=1: nothing is wrong, says verify: ${what}`);
  }
  t.log(`${SEEDS} seeds from ${FIRST}; verify was silent at ${silent}`);
});

for (const [name, offset] of [
  ['transaction', 8],
  ['lower bound', 20],
  ['upper bound', 22],
] as const) {
  test(`a page with another ${name} in its head is found`, async (t) => {
    const directory = await filled(t, 60);
    const path = join(directory, 'data.mdb');
    const whole = await readFile(path);
    const file = new PageFile(path);
    const trees = file.page(file.meta.main.root!).nodes.map((node) => file.tree(node));
    const root = trees.find((tree) => tree?.depth === 1)!.root!;
    file.close();
    const at = root * PAGE + offset;
    for (const value of [0, 0xfffe, whole.readUInt16LE(at) + 2, whole.readUInt16LE(at) + 400]) {
      const bytes = Buffer.from(whole);
      bytes.writeUInt16LE(value, at);
      if (offset === 8) bytes.writeUInt32LE(value + 1, at + 4);
      await writeFile(path, bytes);
      t.true((await problems(directory)) > 0, `${whole.readUInt16LE(at)} -> ${value}`);
    }
  });
}
