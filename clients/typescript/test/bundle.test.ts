/** The entry for browsers, as a bundler makes it: small, and without anything of Node. */
import { createContext, runInContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { build } from 'esbuild';

const ROOT = new URL('..', import.meta.url).pathname;
const BYTES_MAX = 40 * 1024;
/** What pages have. */
const WEB = ['AbortController', 'AbortSignal', 'TextDecoder', 'TextEncoder', 'URL', 'clearTimeout', 'setTimeout'];

async function bundled(contents: string, format: 'esm' | 'iife'): Promise<string> {
  const stdin = { contents, resolveDir: ROOT, loader: 'ts' as const };
  const options = { bundle: true, minify: true, platform: 'browser', target: 'es2022', write: false } as const;
  const { outputFiles } = await build({ ...options, stdin, format, globalName: 'chord', logLevel: 'warning' });
  return outputFiles[0]!.text;
}

test('connect, Replica and all that a client does are at most 40 KB, compressed', async (t) => {
  const page = `import { connect, Replica } from './src/web.js'; globalThis.chord = { connect, Replica };`;
  const bytes = gzipSync(await bundled(page, 'esm'), { level: 9 }).length;
  t.log(`${(bytes / 1024).toFixed(1)} KiB with gzip`);
  t.true(bytes <= BYTES_MAX, `${bytes} bytes`);
});

test('it runs where there is nothing of Node', async (t) => {
  const script = await bundled(`export * from './src/web.js'; export * from './src/grpc.js';`, 'iife');
  const scope = Object.fromEntries(WEB.map((name) => [name, globalThis[name as keyof typeof globalThis]]));
  const crypto = { getRandomValues: (bytes: Uint8Array) => bytes.fill(255) }; // as for a page without TLS
  const context = createContext({ ...scope, crypto });
  runInContext(script, context);
  const program = `(async () => {
    const asked = [];
    globalThis.fetch = async (url) => {
      asked.push(url.href);
      throw new TypeError('offline');
    };
    const client = chord.connect('https://chord.example/base', { retry: { attempts: 1 } });
    const error = await client.set('a', { n: 1 }).catch((each) => each);
    const replica = new chord.Replica(client, ['a']);
    await client.close();
    return [error.reason, error.message, replica.live, asked[0], chord.contexts.getContext.path].join();
  })()`;
  const set = 'https://chord.example/base/chord.v1.ContextService/SetContext';
  t.is(await runInContext(program, context), `UNAVAILABLE,offline,false,${set},/chord.v1.ContextService/GetContext`);
});
