/**
 * Builds the console into dist/console, for src/web/pages.ts: files with hashes in their names, nothing inline. While one works on
 * it, `npx vite src/console` serves it from the sources, over `chord serve --web-listen 127.0.0.1:8080 --web-origins http://localhost:5173`.
 */
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  base: '/',
  server: { proxy: { '/chord.v1.': 'http://127.0.0.1:8080' } },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../../dist/console',
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: 'licenses.md' },
  },
});
