/**
 * Exported contexts as files: `file:DIR`. One JSON document for each, written beside it, flushed, and renamed into its
 * place, so that a reader or a crash never finds half of one. What a crash leaves behind ends in `.tmp`, and is never
 * read. Several servers may share a directory.
 */
import { hash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Provider, SavedContext } from '../export-provider.js';

const SUFFIX = '.json';
/** File systems allow 255 bytes. */
const NAME_MAX = 200;

/** @param url `file:DIR`, as written, or `file:///DIR` with its escapes */
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
    // The rename is durable when the directory is.
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

  /** Of a name that was cut: the document says it. */
  async #idInside(name: string): Promise<string | undefined> {
    try {
      const { contextId } = JSON.parse(await readFile(join(this.directory, name), 'utf8'));
      return typeof contextId === 'string' ? contextId : undefined;
    } catch {
      return undefined; // not one of ours
    }
  }
}

/**
 * Small letters, digits, `_` and `-` stand for themselves; of all else each byte is written `%41`: so no id leads out
 * of the directory, and none means another one where file systems ignore case. Long names are cut, with a hash.
 */
export function fileName(id: string): string {
  const escaped = (char: string) =>
    [...Buffer.from(char)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  const name = id.replace(/[^a-z0-9_-]/gu, escaped);
  if (name.length <= NAME_MAX) return name + SUFFIX;
  return `${name.slice(0, NAME_MAX - 50)}~${hash('sha256', id, 'hex').slice(0, 40)}${SUFFIX}`;
}

/** The inverse; undefined where the name was cut, or is none of ours. */
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
