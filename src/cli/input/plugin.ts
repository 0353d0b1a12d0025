/** `serve --plugin`: loads plugins from a module. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugins } from '../../server/plugins.js';
import { Usage } from '../errors.js';

const KNOWN: readonly string[] = ['store', 'provider', 'clock', 'formatters'] satisfies (keyof Plugins)[];

/** @throws Usage for a file that is no plugin module */
export async function loadPlugin(file: string): Promise<Plugins> {
  const plugin = await load(file);
  if (typeof plugin !== 'object' || plugin === null) {
    throw new Usage(`--plugin ${file}: its default export is not an object with ${KNOWN.join(', ')}`);
  }
  const unknown = Object.keys(plugin).filter((name) => !KNOWN.includes(name));
  if (unknown.length > 0) {
    throw new Usage(`--plugin ${file}: unknown ${unknown.join(', ')}; it may export ${KNOWN.join(', ')}`);
  }
  return plugin;
}

async function load(file: string): Promise<unknown> {
  try {
    const module: { default?: unknown } = await import(pathToFileURL(resolve(file)).href);
    return module.default;
  } catch (error) {
    throw new Usage(`--plugin ${file}: ${error instanceof Error ? error.message : error}`);
  }
}
