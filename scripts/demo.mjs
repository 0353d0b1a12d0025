/**
 * A chat room in one terminal: a server, and a guest process in each language whose tools are installed
 * (clients/LANGUAGE/examples), and one that dies. Ends when all guests have left; fails unless all have the same final document and
 * position. Names of languages as arguments select guests.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { missingTools } from './tools.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CHORD = join(ROOT, 'dist', 'main.js');
const NUMBERS = ['no', 'one', 'two', 'three', 'four', 'five'];
/** Time limit of the talk, which takes some five seconds on an idle machine. */
const PATIENCE_MS = 60_000;

/** How to run a guest in clients/NAME after `make chatroom`. */
const LANGUAGES = [
  { name: 'go', color: 36, command: 'exec bin/chatroom' },
  { name: 'python', color: 33, command: 'exec .venv/bin/python -u examples/chatroom.py' },
  {
    name: 'java',
    color: 31,
    command: `exec java -cp "target/classes${delimiter}$(cat target/test.classpath)" examples/Chatroom.java`,
  },
  { name: 'rust', color: 35, command: 'exec target/debug/examples/chatroom' },
  { name: 'typescript', color: 34, command: 'exec node --import=tsx examples/chatroom.ts' },
];

const children = new Set();
const folder = mkdtempSync(join(tmpdir(), 'chord-demo-'));
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
process.stdout.on('error', () => process.exit(1)); // the reader of the output has closed the pipe
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !LANGUAGES.some((language) => language.name === name));
if (unknown.length > 0) fail(`there is no client in ${unknown.join(', ')}`);
const guests = LANGUAGES.filter(({ name }) => wanted.length === 0 || wanted.includes(name)).filter(build);
if (guests.length === 0) fail('no guest can run: the tools of all languages are missing');

const address = await serve();
// Guests begin when all have joined: so each guest sees the others join, speak and leave.
const room = { topic: 'many languages, one state', seats: guests.length };
const chord = (...args) => execFileSync(process.execPath, [CHORD, '--address', address, ...args]);
chord('set', 'room:lobby', JSON.stringify(room));
// One more guest, who dies at once: only its time to live takes it out of the room, which the others wait for.
chord('update', 'room:lobby', '--set', 'participants.visitor={"typing":false}', '--ttl-of', 'participants.visitor=5s');
console.log(`\nseats: ${guests.length}, at room:lobby on ${address}\n`);

const impatient = setTimeout(() => fail(`not over after ${PATIENCE_MS / 1000} s`), PATIENCE_MS);
const ends = await Promise.all(guests.map((guest) => visit(guest)));
clearTimeout(impatient);

const [first] = ends;
if (!ends.every((end) => isDeepStrictEqual(end.final, first.final))) fail('they do not agree');
if (!ends.some(({ sawVisitor }) => sawVisitor)) fail('no guest saw the one that died');
console.log(`\n${NUMBERS[guests.length]} process${guests.length > 1 ? 'es' : ''}, one state: ${first.final.position}`);
process.exit(0);

/** Whether a guest in this language can run. If not, prints the reason in one line. */
function build({ name }) {
  const missing = missingTools(name);
  if (missing) {
    console.log(`${name}: left out, ${missing}`);
    return false;
  }
  console.log(`${name}: building`);
  const { status, stdout, stderr } = spawnSync('make', ['-C', join('clients', name), 'chatroom'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (status === 0) return true;
  const why = `${stdout}\n${stderr}`.trim().split('\n').at(-1);
  console.log(`${name}: left out, make -C clients/${name} chatroom fails: ${why}`);
  return false;
}

/** @returns the address of the server */
async function serve() {
  const args = [CHORD, 'serve', '--listen', '127.0.0.1:0', '--data-dir', folder, '--log-level', 'error'];
  const server = start(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: server.stdout })) {
    const address = /serving on (\S+)/.exec(line)?.[1];
    if (address) return address;
  }
  fail('the server has not started');
}

/** Prints the output of a guest. @returns the final position and document of its replica, and whether it saw the visitor */
async function visit({ name, color, command }) {
  const guest = start('sh', ['-c', `${command} ${address}`], {
    cwd: join(ROOT, 'clients', name),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let final;
  let sawVisitor = false;
  for (const stream of [guest.stdout, guest.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      const [, position, document] = /^final (\S+) (.*)/.exec(line) ?? [];
      if (position) final = { position, document: JSON.parse(document) };
      sawVisitor ||= /in the room: .*visitor/.test(line);
      console.log(`${paint(name.padEnd(10), color)} ${position ? `final ${position}` : line}`);
    });
  }
  const [code, signal] = await once(guest, 'close');
  if (code !== 0 || !final) fail(`${name} has ended early (${signal ?? code})`);
  return { final, sawVisitor };
}

function start(command, args, options) {
  const child = spawn(command, args, options);
  children.add(child);
  child.on('close', () => children.delete(child));
  return child;
}

function paint(text, color) {
  const colored = process.env.FORCE_COLOR || (process.stdout.isTTY && !process.env.NO_COLOR);
  return colored ? `\x1b[${color}m${text}\x1b[0m` : text;
}

function fail(message) {
  console.error(`demo: ${message}`);
  process.exit(1);
}
