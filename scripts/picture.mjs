/**
 * Records the picture of the README, docs/terminal.svg: a session with a real server, one terminal that writes beside one
 * that watches. Needs dist/. Positions differ from one recording to the next.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

process.chdir(join(import.meta.dirname, '..'));
const CHORD = ['dist/main.js'];
const COMMANDS = [
  ['set', 'room:1', '{"topic":"daily","members":{"ann":{"status":"online"}}}'],
  ['update', 'room:1', '{"members":{"ann":{"status":"away"},"bob":{"status":"online"}}}'],
  ['update', 'room:1', '--increment', 'members.ann.unread=1', '--append', 'log="hi"'],
  ['set', 'user:7', '{"name":"Bob"}'],
  ['sync', 'room:1', '--known', '2'],
];
/** Lines that the watch prints for them, the first one included. */
const WATCHED = 7;

function start(...args) {
  const child = spawn(process.execPath, [...CHORD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}
const next = async ({ lines }) => (await lines.next()).value;

const folder = mkdtempSync(join(tmpdir(), 'chord-picture-'));
const server = start('serve', '--listen', '127.0.0.1:0', '--data-dir', folder, '--log-level', 'error');
const address = /on (\S+) /.exec(await next(server))[1];
const watch = start('--address', address, 'watch', 'room:1', 'user:*');
const watched = [await next(watch)];
const left = [];
for (const args of COMMANDS) {
  const quoted = args.map((each) => (/^[\w:.=-]+$/.test(each) ? each : `'${each}'`)).join(' ');
  const { stdout, status } = spawnSync(process.execPath, [...CHORD, '--address', address, ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`chord ${quoted} ends with ${status}`);
  left.push(`$ chord ${quoted}`, ...stdout.trim().split('\n'), '');
}
while (watched.length < WATCHED) watched.push(await next(watch));
for (const { child } of [watch, server]) {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}
rmSync(folder, { recursive: true });

const LINE = 19;
const CHAR = 7.85;
const xml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
function pane(title, lines, y, width) {
  const height = lines.length * LINE + 44;
  const rows = lines.map((line, i) => {
    const color = line.startsWith('$') ? '#e6edf3' : /^\S+ \d+ |^[+~-] /.test(line) ? '#7ee787' : '#9da7b3';
    return `<text x="16" y="${y + 48 + i * LINE}" fill="${color}" xml:space="preserve">${xml(line)}</text>`;
  });
  const frame = `<rect x="0" y="${y}" width="${width}" height="${height}" rx="8" fill="#0d1117" stroke="#30363d"/>`;
  return { height, text: `${frame}<text x="16" y="${y + 22}" fill="#6e7681">${title}</text>\n${rows.join('\n')}` };
}
while (left.at(-1) === '') left.pop();
const right = [`$ chord watch room:1 'user:*'`, ...watched];
const width = Math.ceil(Math.max(...[...left, ...right].map(({ length }) => length)) * CHAR) + 32;
const first = pane('one terminal writes', left, 0, width);
const second = pane('another one watches: each change, as it happens', right, first.height + 10, width);
writeFileSync(
  'docs/terminal.svg',
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${first.height + second.height + 10}" width="${width}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" role="img" aria-label="A terminal session: commands that write, and a watch that prints each change">
${first.text}
${second.text}
</svg>
`,
);
