/**
 * An external store of one's own: exported contexts as compressed files.
 *
 *     chord serve --plugin ./examples/external-store.js
 *     chord export room:1 --history
 *
 * or from code: `startChord({ provider: openArchive('./archive') })`. It keeps the whole contract: external-store.test.js.
 */
import { hash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

const [compress, decompress] = [promisify(gzip), promisify(gunzip)];
const SUFFIX = '.json.gz';

/**
 * @param {string} directory made with the first export
 * @returns {import('chord').Provider}
 */
export function openArchive(directory) {
  // Any id is data, `../../etc/passwd` too: no part of it gets into a path.
  const pathOf = (id) => join(directory, hash('sha256', id) + SUFFIX);

  return {
    /** Chord may delete the context when this resolves. So: written, flushed, put in place at once, and that flushed, too. */
    async save({ id, text }, signal) {
      await mkdir(directory, { recursive: true });
      const draft = join(directory, `${randomUUID()}.tmp`);
      try {
        await flush(draft, 'wx', await compress(JSON.stringify({ id, text })));
        signal.throwIfAborted(); // given up: the old export stays
        await rename(draft, pathOf(id));
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      }
      await flush(directory, 'r');
    },

    async load(id) {
      return (await read(pathOf(id)))?.text ?? null;
    },

    async *list(prefix, signal) {
      for (const name of (await orIfMissing(readdir(directory))) ?? []) {
        signal.throwIfAborted();
        const saved = name.endsWith(SUFFIX) ? await read(join(directory, name)) : undefined;
        if (saved?.id.startsWith(prefix)) yield saved.id;
      }
    },

    async delete(id) {
      return (await orIfMissing(rm(pathOf(id)).then(() => true))) ?? false;
    },

    async close() {},
  };
}

async function read(path) {
  const bytes = await orIfMissing(readFile(path));
  return bytes && JSON.parse(await decompress(bytes));
}

/** Opens a file or directory, and sees to it that it is on the disk. */
async function flush(path, flags, bytes = undefined) {
  const handle = await open(path, flags);
  try {
    if (bytes) await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Undefined where there is no such file. Whatever else is wrong must not look like that. */
async function orIfMissing(work) {
  try {
    return await work;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

export default { provider: () => openArchive(process.env.ARCHIVE ?? './archive') };
