/**
 * Bundles the pages of a folder with esbuild, and serves them. For those of examples/web: `chord serve --web-listen 127.0.0.1:8080
 * --web-origins http://127.0.0.1:8000`, then `npx tsx examples/serve-web.ts`, and open http://127.0.0.1:8000/chat.html.
 */
import { fileURLToPath } from 'node:url';
import { context } from 'esbuild';

export interface ServedPages {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  close(): Promise<void>;
}

/** @param entries the scripts of the pages, without their extension @param port 0 takes a free one */
export async function servePages(folder: string, entries: readonly string[], port: number): Promise<ServedPages> {
  const bundler = await context({
    entryPoints: entries.map((name) => `${folder}/${name}`),
    outdir: folder,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    jsx: 'automatic',
    write: false,
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  const served = await bundler.serve({ servedir: folder, host: '127.0.0.1', port });
  return { origin: `http://127.0.0.1:${served.port}`, close: () => bundler.dispose() };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { origin } = await servePages(fileURLToPath(new URL('web', import.meta.url)), ['chat.ts', 'react.tsx'], 8000);
  console.log(`${origin}/chat.html and ${origin}/react.html`);
}
