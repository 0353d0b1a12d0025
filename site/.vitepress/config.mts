/** The site of docs/: `make site` builds it into .tools/site, and checks every link between pages. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type DefaultTheme, defineConfig } from 'vitepress';

const ROOT = join(import.meta.dirname, '../..');
const DOCS = join(ROOT, 'docs');
const REPOSITORY = 'https://github.com/chord-state/chord';

/** Titles of groups, with their pages. `test/docs.test.ts` finds a page that no group names. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  Start: ['start', 'concepts'],
  Guides: ['modelling', 'recipes', 'recipes/coordination', 'kubernetes', 'operations#upgrade'],
  Features: [
    ...[
      'guarantees',
      'limits',
      'conditions',
      'expiring',
      'text',
      'history',
      'formats',
      'cleanup',
      'transfer',
      'web',
      'console',
    ],
    'extending',
  ],
  Reference: ['reference/api', 'reference/cli', 'reference/settings', 'errors', 'metrics', 'compatibility'],
  Clients: [
    'reference/clients/go',
    'reference/clients/java',
    'reference/clients/python',
    'reference/clients/rust',
    'reference/clients/typescript',
  ],
  Operations: ['operations', 'access', 'tls', 'logs', 'traces', 'redis', 'threats', 'benchmarks'],
  Internals: ['architecture', 'deltas', 'decisions', 'conformance', 'proof', 'STYLE'],
  About: ['comparison', 'faq'],
};
/** The title of a page, or of the section that `#` names. */
const titleOf = (page: string) => {
  const [path, anchor] = page.split('#');
  const headings = [...readFileSync(join(DOCS, `${path}.md`), 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, text]) => text!);
  return (anchor ? headings.find((each) => slugify(each) === anchor) : headings[0]) ?? page;
};
const item = (page: string) => ({ text: titleOf(page), link: `/${page}` });

/** Pages of a folder, without the home page. */
const pagesOf = (folder: string) => {
  const path = join(DOCS, folder);
  const names = existsSync(path) ? readdirSync(path) : [];
  return names
    .filter((name) => name.endsWith('.md') && name !== 'index.md')
    .map((name) => join(folder, name.slice(0, -3)));
};

function sidebar(): DefaultTheme.SidebarItem[] {
  return Object.entries(GROUPS).map(([text, pages]) => ({ text, items: pages.map(item) }));
}

/** Anchors as GitHub makes them: links work in both places. */
function slugify(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** The list of pages for programs that read (llmstxt.org): each with its first paragraph. */
function llms(base: string): string {
  const lines = sidebar().flatMap(({ text, items = [] }) => [
    `\n## ${text}\n`,
    ...items
      .filter(({ link }) => !link?.includes('#'))
      .map(({ text: title, link }) => {
        const body = readFileSync(join(DOCS, `${link}.md`), 'utf8')
          .replace(/^(?:<!--.*?-->\s*)?# .*$/m, '')
          .replace(/^```.*?^```$/gms, '');
        const about = (/^(?![#|`<!\s-]).+(?:\n(?!\n).+)*/m.exec(body)?.[0] ?? '')
          .replaceAll('\n', ' ')
          .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
          .replaceAll('**', '');
        return `- [${title}](${base}${link?.slice(1)}.md): ${/^.*?\.(?= |$)/.exec(about)?.[0] ?? about}`;
      }),
  ]);
  return `# Chord\n\n> Versioned shared state as a gRPC service: named JSON documents, deltas, and streams that stay current.\n${lines.join('\n')}\n`;
}

export default defineConfig({
  title: 'Chord',
  description: 'Versioned shared state as a gRPC service',
  // A link to docs/: the packages of the site are found from there.
  srcDir: 'docs',
  outDir: join(ROOT, '.tools/site'),
  cacheDir: join(ROOT, '.tools/site-cache'),
  base: process.env.SITE_BASE ?? '/',
  cleanUrls: true,
  ignoreDeadLinks: false,
  vite: { resolve: { preserveSymlinks: true } },
  markdown: {
    anchor: { slugify },
    config(md) {
      // Links that leave docs/ lead to the repository.
      md.core.ruler.push('repository-links', ({ tokens, env }) => {
        const folder = join(DOCS, env.relativePath, '..');
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          const href =
            token.type === 'link_open'
              ? token.attrGet('href')
              : token.type === 'image'
                ? token.attrGet('src')
                : undefined;
          if (!href || /^(?:\w+:|#|\/)/.test(href)) continue;
          const path = relative(ROOT, join(folder, href));
          const page = path.startsWith('docs/') && /\.(?:md|svg)(?:#|$)/.test(path);
          if (!page) token.attrSet(token.type === 'image' ? 'src' : 'href', `${REPOSITORY}/blob/main/${path}`);
        }
      });
      // Drawings.
      const fence = md.renderer.rules.fence!;
      md.renderer.rules.fence = (tokens, index, ...rest) => {
        const { info, content } = tokens[index]!;
        return info.trim() === 'mermaid'
          ? `<Mermaid code="${encodeURIComponent(content)}" />`
          : fence(tokens, index, ...rest);
      };
      // What is not Vue's: text in double braces.
      const inline = md.renderer.rules.text!;
      md.renderer.rules.text = (...args) => inline(...args).replaceAll('{{', '&#123;&#123;');
    },
  },
  themeConfig: {
    nav: [
      { text: 'Start', link: '/start' },
      { text: 'Reference', link: '/reference/api' },
      { text: 'Operations', link: '/operations' },
    ],
    sidebar: sidebar(),
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: REPOSITORY }],
    outline: [2, 3],
    editLink: { pattern: `${REPOSITORY}/edit/main/docs/:path` },
  },
  buildEnd({ outDir, site }) {
    const text = llms(site.base);
    writeFileSync(join(outDir, 'llms.txt'), text);
    // The pages as they are written, for the same readers.
    for (const page of [
      ...pagesOf('.'),
      ...pagesOf('reference'),
      ...pagesOf('reference/clients'),
      ...pagesOf('recipes'),
    ]) {
      writeFileSync(join(outDir, `${page}.md`), readFileSync(join(DOCS, `${page}.md`)));
    }
    console.log(
      `${
        Object.values(GROUPS)
          .flat()
          .filter((page) => !page.includes('#')).length
      } pages in ${relative(ROOT, outDir)}`,
    );
  },
});
