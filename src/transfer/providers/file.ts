/**
 * Exported contexts as files: `file:DIR`. Each context is one JSON document, which is written beside its final place,
 * flushed and renamed, so that a reader or a crash never finds half a file. Files that a crash leaves behind end in
 * `.tmp`, and are never read. Several servers may share a directory.
 */
import { hash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Provider, SavedContext } from '../export-provider.js';

const SUFFIX = '.json';
/** Characters of a file name. File systems allow 255 bytes. */
const NAME_MAX = 200;

/** @param url `file:DIR`, taken literally, or `file:///DIR` with URL escapes */
export function openFiles(url: string): Provider {
  return new FileProvider(url.startsWith('file://') ? fileURLToPath(url) : url.slice('file:'.length));
}

class FileProvider implements Provider {
  constructor(private readonly directory: string) {}

  async save({ id, text }: SavedContext): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const path = this.#path(id);
    const draft = join(this.directory, `${randomUUID()}.tmp`);
    try {
      await writeFlushed(draft, text);
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
    // The rename is durable once the directory is synced.
    const directory = await open(this.directory);
    await directory.sync().finally(() => directory.close());
  }

  async load(id: string): Promise<string | null> {
    return orIfMissing(readFile(this.#path(id), 'utf8'), null);
  }

  async *list(prefix: string): AsyncGenerator<string> {
    for (const name of await orIfMissing(readdir(this.directory), [])) {
      if (!name.endsWith(SUFFIX)) continue;
      const id = idOf(name) ?? (await this.#idInside(name));
      if (id?.startsWith(prefix) && fileName(id) === name) yield id;
    }
  }

  async delete(id: string): Promise<boolean> {
    return orIfMissing(
      unlink(this.#path(id)).then(() => true),
      false,
    );
  }

  async close(): Promise<void> {}

  #path(id: string): string {
    return join(this.directory, fileName(id));
  }

  /** The id in the document, for a file whose name was cut. */
  async #idInside(name: string): Promise<string | undefined> {
    try {
      const { contextId } = JSON.parse(await readFile(join(this.directory, name), 'utf8'));
      return typeof contextId === 'string' ? contextId : undefined;
    } catch {
      return undefined; // not an export of Chord
    }
  }
}

/**
 * Small letters, digits, `_` and `-` stand for themselves; each byte of other characters is written as `%41`. So no id
 * leads out of the directory, and no two ids collide where file systems ignore case. Long names are cut, with a hash.
 */
export function fileName(id: string): string {
  const escaped = (char: string) =>
    [...Buffer.from(char)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  const name = id.replace(/[^a-z0-9_-]/gu, escaped);
  if (name.length <= NAME_MAX) return name + SUFFIX;
  return `${name.slice(0, NAME_MAX - 50)}~${hash('sha256', id, 'hex').slice(0, 40)}${SUFFIX}`;
}

/** The inverse of `fileName`; undefined where the name was cut, or `fileName` did not make it. */
function idOf(name: string): string | undefined {
  const escaped = name.slice(0, -SUFFIX.length);
  if (!/^(?:[a-z0-9_-]|%[0-9a-f]{2})+$/.test(escaped)) return undefined;
  try {
    return decodeURIComponent(escaped);
  } catch {
    return undefined;
  }
}

async function writeFlushed(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function orIfMissing<T, U>(work: Promise<T>, missing: U): Promise<T | U> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return missing;
    throw error;
  }
}
