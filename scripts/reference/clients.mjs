/** The reference pages of the clients: the public declarations of their sources, with the comments that stand there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import * as go from './go.mjs';
import * as java from './java.mjs';
import * as python from './python.mjs';
import * as rust from './rust.mjs';
import * as typescript from './typescript.mjs';

const LANGUAGES = {
  go: { title: 'Go', source: 'clients/go', ext: '.go', fence: 'go', items: go.items },
  java: {
    title: 'Java',
    source: 'clients/java/src/main/java/dev/chord',
    ext: '.java',
    fence: 'java',
    items: java.items,
  },
  python: { title: 'Python', source: 'clients/python/chordstate', ext: '.py', fence: 'python', items: python.items },
  rust: { title: 'Rust', source: 'clients/rust/src', ext: '.rs', fence: 'rust', items: rust.items },
  typescript: {
    title: 'TypeScript',
    source: 'clients/typescript/src',
    ext: '.ts',
    fence: 'ts',
    items: typescript.items,
  },
};

/** By the name of the item, or else of its file; the first that matches. */
const TOPICS = [
  ['Errors', /error|exception|reason|violation|mismatch/i],
  ['Health', /health/i],
  ['Presence', /presence/i],
  ['Replicas', /replica|copies|^documents|^kept$|^state$|react/i],
  ['Watches', /watch|event|tracker|target|^(full|deleted|absent|caughtup|prefix)/i],
  ['Edits, waits and conditions', /edit|wait|until|condition|check|expect|unmet/i],
  ['History', /blame|provenance|deltapage/i],
  [
    'Client and options',
    /client|index|builder|options|channel|hooks|tls|retry|transport|endpoint|stubs|connection|call|conn|telemetry|doc\.go/i,
  ],
  ['Reads and writes', /read|write|request|mutation|batch|update|sync/i],
  ['Documents', /./],
];
const ORDER = [
  'Client and options',
  'Reads and writes',
  'Documents',
  'Edits, waits and conditions',
  'Watches',
  'Replicas',
  'Presence',
  'History',
  'Health',
  'Errors',
];

const topicOf = ({ name, file }) =>
  (TOPICS.slice(0, -1).find(([, pattern]) => pattern.test(name)) ??
    TOPICS.find(([, pattern]) => pattern.test(file)))[0];

function sources(folder, ext) {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && each.name.endsWith(ext) && !/_test\.go$|\.d\.ts$/.test(each.name))
    .map((each) => relative(folder, join(each.parentPath, each.name)));
  // Below a Go package stand other packages; generated code has the reference of the API.
  return found
    .filter((file) => !/(?:^|\/)_?gen\//.test(file) && (ext !== '.go' || !file.includes('/')))
    .sort()
    .map((file) => [file, readFileSync(join(folder, file), 'utf8').split('\n')]);
}

/** What is said first, up to a blank line; of parameters, all. Python's classes have those of their constructor below it. */
const firstOf = (text) =>
  text
    .split(/\n\s*\n/)
    .filter((part, i) => i === 0 || /^[`@]/.test(part.trim()))
    .join('\n\n')
    .trim();

function page(language, prose) {
  const { title, source, ext, fence, items } = LANGUAGES[language];
  const found = items(sources(source, ext));
  const sections = ORDER.flatMap((topic) => {
    const own = found.filter((item) => topicOf(item) === topic);
    const names = own.sort(
      (a, b) =>
        /^(?:Chord)?Client$/.test(b.name) - /^(?:Chord)?Client$/.test(a.name) ||
        (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1),
    );
    if (own.length === 0) return [];
    return [
      `## ${topic}\n`,
      ...names.map(
        ({ name, text, code }) =>
          `### ${name}\n\n${prose(language === 'python' ? text : firstOf(text))}\n\n\`\`\`${fence}\n${code.join('\n').trim()}\n\`\`\`\n`,
      ),
    ];
  });
  return `# ${title} client

The public declarations of the ${title} client, from [${source}](../../../${source}). [Its README](../../../clients/${language}/README.md) has the first
steps, [clients/README.md](../../../clients/README.md) what all clients have in common.

${sections.join('\n')}`;
}

/** By path, the pages. */
export const clientPages = (prose) =>
  Object.fromEntries(
    Object.keys(LANGUAGES).map((language) => [`docs/reference/clients/${language}.md`, page(language, prose)]),
  );
