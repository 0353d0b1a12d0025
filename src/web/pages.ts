/**
 * The console's files, as `npm run build` makes them, in memory: dist/console. Names with a hash are kept by browsers for
 * ever; the page that names them is asked for each time. Where they were not built, there are none.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** The same from src/web and from dist/web. */
const BUILT = fileURLToPath(new URL('../../dist/console/', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.md': 'text/plain; charset=utf-8',
};
/** Nothing of another origin, nothing inline, no eval; and no other page may show this one in a frame. */
const POLICY = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join('; ');

interface Page {
  readonly bytes: Buffer;
  readonly packed: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

export class Pages {
  readonly #pages = new Map<string, Page>();

  constructor(folder = BUILT) {
    if (!existsSync(folder)) return;
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const type = TYPES[extname(name)];
      if (type)
        this.#pages.set(name === 'index.html' ? '/' : `/${name}`, pageOf(readFileSync(`${folder}/${name}`), name));
    }
  }

  serves(path: string): boolean {
    return this.#pages.has(path);
  }

  answer(path: string, { method, headers }: IncomingMessage, response: ServerResponse): void {
    const page = this.#pages.get(path)!;
    if (method !== 'GET' && method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    const isPacked = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(String(headers['accept-encoding'] ?? ''));
    const body = isPacked ? page.packed : page.bytes;
    response.writeHead(200, {
      ...page.headers,
      'content-length': body.length,
      ...(isPacked && { 'content-encoding': 'gzip' }),
    });
    response.end(method === 'HEAD' ? undefined : body);
  }
}

function pageOf(bytes: Buffer, name: string): Page {
  const headers = {
    'content-type': TYPES[extname(name)]!,
    'content-security-policy': POLICY,
    'x-frame-options': 'DENY',
    'cache-control': name.startsWith('assets') ? 'public, max-age=31536000, immutable' : 'no-cache',
  };
  return { bytes, packed: gzipSync(bytes), headers };
}
