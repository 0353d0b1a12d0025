/** What the docs say, as far as a program can check it: commands, flags, variables, links, figures and counts. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { envOf, flagOf, KEYS } from '../src/config/config.js';
import { chord } from './support/cli.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--', '*.md'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && !path.includes('/vendor/') && existsSync(join(ROOT, path)));
const OURS = PAGES.filter((path) => path === 'README.md' || /^docs\/[^/]+\.md$/.test(path));

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** By command (`''`, `token new`), the words that can follow it. */
async function words(): Promise<Map<string, Set<string>>> {
  const { stdout } = await chord(['completion', 'bash']);
  const cases = [...stdout.matchAll(/^ {4}'(.*)'\) words='(.*)' ;;$/gm)];
  return new Map(cases.map(([, path, following]) => [path!, new Set(following!.split(' '))]));
}

/** The commands in blocks of shell, each as its arguments: without quotes, up to a pipe or a redirection. */
function commandsOf(page: string): string[][] {
  const blocks = [...read(page).matchAll(/^```(console|sh|bash|shell)(?: [^\n]*)?\n(.*?)^```/gms)];
  return blocks.flatMap(([, kind, block]) => {
    const command =
      kind === 'console' ? /^[$#] (?:[A-Z_]+=\S+ )*(?:npx )?chord (.*)$/ : /^(?:[A-Z_]+=\S+ )*(?:npx )?chord (.*)$/;
    const lines = block!.replaceAll('\\\n', ' ').split('\n');
    const found = lines.flatMap((line) => command.exec(line)?.[1] ?? []);
    return found.map((rest) => {
      const quiet = rest.replace(/'[^']*'|"[^"]*"/g, 'QUOTED').replace(/\s[|<>&#;].*$/, '');
      return quiet.split(/\s+/).filter((word) => word !== '');
    });
  });
}

test('every command in a snippet exists, with its options', async (t) => {
  const known = await words();
  t.true(known.get('serve')!.has('--data-dir'));
  let seen = 0;
  for (const page of OURS) {
    for (const command of commandsOf(page)) {
      seen++;
      let path = '';
      for (const word of command) {
        const longer = path === '' ? word : `${path} ${word}`;
        if (known.has(longer)) path = longer;
        else if (word.startsWith('--')) {
          const flag = word.replace(/=.*/, '');
          const general = ['--help', '--version'].includes(flag);
          t.true(general || known.get(path)!.has(flag), `${page}: chord ${command.join(' ')}: there is no ${flag}`);
        }
      }
      const general = command.every((word) => word.startsWith('-'));
      t.true(general || path !== '', `${page}: chord ${command.join(' ')}: there is no such command`);
    }
  }
  t.true(seen > 30, `${seen} commands`);
});

/** Flags of other programs that the docs name. */
const OF_OTHERS = new Set([
  ...[
    '--ignore-scripts',
    '--memory',
    '--max-old-space-size',
    '--max-old-space-size-percentage',
    '--root',
    '--max-semi-space-size',
    '--no-allocation-site-pretenuring',
  ],
  ...['--import', '--test', '--watch', '--network'],
]);
/** Of the benchmarks' programs. */
/** Of the attacks in test/proof/. */
const OF_PROOF = new Set(['--seed', '--images', '--image', '--minutes', '--only']);
const OF_BENCHMARKS = new Set([
  '--list',
  '--seconds',
  '--gigabytes',
  '--server',
  '--only',
  '--rounds',
  '--profile',
  '--dist',
  '--help',
  '--json',
  '--quick',
  '--out',
]);

test('every flag, variable and setting that is named exists', async (t) => {
  const flags = new Set([...(await words()).values()].flatMap((each) => [...each]));
  const { stdout: help } = await chord(['--help']);
  const variables = new Set([...KEYS.map(envOf), ...(help.match(/CHORD_[A-Z_]+/g) ?? []), 'CHORD_CONFIG']);
  t.true(flags.has(`--${flagOf('dataDir')}`));
  for (const page of OURS) {
    const text = read(page).replace(/^```.*?^```/gms, '');
    for (const [, flag] of text.matchAll(/`(--[a-z][a-z-]*)[^`]*`/g)) {
      const elsewhere = page === 'docs/proof.md' ? OF_PROOF : page === 'docs/benchmarks.md' ? OF_BENCHMARKS : OF_OTHERS;
      t.true(flags.has(flag!) || elsewhere.has(flag!) || flag === '--help', `${page} names ${flag}`);
    }
    for (const [variable] of text.matchAll(/\bCHORD_[A-Z_]*[A-Z]\b/g)) {
      const injected = /_(?:SERVICE_HOST|PORT)$/.test(variable);
      t.true(injected || variables.has(variable), `${page} names ${variable}`);
    }
  }
});

/** As GitHub makes them. */
function anchorsOf(page: string): Set<string> {
  const headings = [
    ...read(page)
      .replace(/^```.*?^```/gms, '')
      .matchAll(/^#+ (.*)$/gm),
  ].map(([, heading]) => heading!);
  return new Set(
    headings.map((each) =>
      each
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

test('every relative link leads somewhere', (t) => {
  for (const page of PAGES) {
    const text = read(page).replace(/^```.*?^```/gms, '');
    for (const [, target] of text.matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)) {
      const [path, anchor] = target!.split('#') as [string, string?];
      const file = path === '' ? page : join(dirname(page), path);
      t.true(existsSync(join(ROOT, file)), `${page} links to ${target}`);
      if (anchor !== undefined && file.endsWith('.md'))
        t.true(anchorsOf(file).has(anchor), `${page} links to ${target}`);
    }
  }
});

test('the figures of the README and of the cost sections are results of the benchmark', (t) => {
  const results = /<!-- results: .*?-->(.*)<!-- end of results -->/s.exec(read('docs/benchmarks.md'))![1]!;
  const cells = results.split('\n').flatMap((line) => (line.startsWith('|') ? line.split('|') : []));
  const numbers = cells.flatMap((cell) => (/^ *[\d,.]+ *$/.test(cell) ? [Number(cell.replaceAll(',', ''))] : []));
  const isResult = (text: string) => {
    const decimals = text.split('.')[1]?.length ?? 0;
    return numbers.some((number) => number.toFixed(decimals) === text.replaceAll(',', ''));
  };
  const speed = /^## How fast$(.*?)^## /ms.exec(read('README.md'))![1]!;
  const rows = speed.split('\n').filter((line) => /^\|.*\d/.test(line));
  t.true(rows.length >= 8);
  for (const row of rows) {
    const [, , ours, beside, ratio] = row.split('|') as [string, string, string, string, string];
    const measured = `${ours} ${beside}`.match(/[\d,.]*\d(?= (?:µs|calls\/s|bytes|\/))/g) ?? [];
    const ratios = /^ *1\//.test(ratio) ? [] : (ratio.match(/\d+\.\d+/g) ?? []);
    for (const figure of [...measured, ...ratios]) t.true(isResult(figure), `${figure} in ${row}`);
  }
  for (const page of ['docs/access.md', 'docs/metrics.md', 'docs/redis.md']) {
    for (const [, figure] of read(page).matchAll(/([\d,.]*\d)[^|\n]{0,20}\(\[benchmark [A-Z]\d*\]/g)) {
      t.true(isResult(figure!), `${page}: ${figure}`);
    }
  }
});

test('packages without a hash are as many as the threats say', (t) => {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { integrity?: string; dev?: boolean; optional?: boolean }>;
  };
  const without = Object.entries(packages).filter(([path, { integrity }]) => path !== '' && !integrity);
  t.true(
    without.every(([, { optional }]) => optional),
    'one that is needed everywhere has no hash',
  );
  const production = without.filter(([, { dev }]) => !dev).length;
  t.true(
    read('docs/threats.md').includes(`${without.length} optional packages, ${production} of them for production,`),
    `${without.length}, ${production}`,
  );
});

test('each page of docs/ has its place in the site', (t) => {
  const config = read('site/.vitepress/config.mts');
  const pages = PAGES.filter((path) => /^docs\/.*\.md$/.test(path) && path !== 'docs/index.md');
  for (const path of pages) t.true(config.includes(`'${path.slice('docs/'.length, -'.md'.length)}'`), path);
  t.true(pages.length > 35, `${pages.length} pages`);
});
