/** `serve --plugin`: parts of one's own, from a module. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ChordOptions } from '../app.js';
import { Usage } from './failure.js';

type Parts = Pick<ChordOptions, 'formatters' | 'store' | 'clock'>;

/** What a module may export as its default. */
export type Plugin = Omit<Parts, 'store'> & {
  /** Or how to open it: called once, when the server starts. */
  readonly store?: Parts['store'] | (() => Parts['store'] | Promise<Parts['store']>);
};

const KNOWN = ['formatters', 'store', 'clock'];

/** @throws Usage where the file is no such module */
export async function loadPlugin(file: string): Promise<Parts> {
  const plugin = await load(file);
  if (typeof plugin !== 'object' || plugin === null) throw new Usage(`--plugin ${file}: it has no default export`);
  const unknown = Object.keys(plugin).filter((name) => !KNOWN.includes(name));
  if (unknown.length > 0) {
    throw new Usage(`--plugin ${file}: unknown ${unknown.join(', ')}; it may export ${KNOWN.join(', ')}`);
  }
  const { formatters, store, clock } = plugin as Plugin;
  return { formatters, clock, store: typeof store === 'function' ? await store() : store };
}

async function load(file: string): Promise<unknown> {
  try {
    const module: { default?: unknown } = await import(pathToFileURL(resolve(file)).href);
    return module.default;
  } catch (error) {
    throw new Usage(`--plugin ${file}: ${(error as Error).message}`);
  }
}
