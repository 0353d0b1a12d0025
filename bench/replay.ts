/** `npm run replay`: a document's history through Chord, each revision checked on the client's side. */
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readHistory } from './history.js';
import { Difference, type Replayed, replay } from './replayer.js';
import { startChord } from './servers.js';

const HELP = `Usage: npm run replay -- [options] [FILE]

Feeds a history through SetContext on a fresh server (LMDB in a temporary directory), while a
watching client rebuilds each revision from what it receives. Fails at the first difference.

FILE holds one revision per line, plain or gzip: {"at": UNIX_SECONDS, "context": {...}}
Default: test/histories/feature-support.ndjson.gz

Options:
  --address HOST:PORT   a running server, in place of a fresh one
  --json                print the result as JSON
  --help                this text
`;
const DEFAULT = fileURLToPath(new URL('../test/histories/feature-support.ndjson.gz', import.meta.url));

process.exit(
  await main().catch((error: Error) => {
    process.stderr.write(`replay: ${error instanceof Difference ? 'DIFFERENT: ' : ''}${error.message}\n`);
    return 1;
  }),
);

async function main(): Promise<number> {
  const { values, positionals } = arguments_();
  if (values.help) return print(HELP);
  if (positionals.length > 1) throw new Error(`one file at a time; see --help`);
  const [file = DEFAULT] = positionals;
  const revisions = readHistory(file);
  const own = values.address ? undefined : await startChord();
  try {
    const id = `replay:${basename(file).slice(0, 200)}:${Date.now()}`;
    const result = await replay(values.address ?? own!.address, id, revisions, progress(revisions.length));
    return print(values.json ? `${JSON.stringify({ file, ...result })}\n` : report(file, result));
  } finally {
    await own?.stop();
  }
}

function arguments_() {
  const options = { address: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean' } } as const;
  return parseArgs({ options, allowPositionals: true });
}

/** One line that is written over on a terminal, and a line for each tenth elsewhere. */
function progress(total: number): (done: number) => void {
  const { stderr } = process;
  const step = Math.max(1, Math.round(total / (stderr.isTTY ? 100 : 10)));
  return (done) => {
    if (done % step !== 0 && done !== total) return;
    const line = `replay: ${done} of ${total} revisions, all equal`;
    stderr.write(stderr.isTTY ? `\r${line}${done === total ? '\n' : ''}` : `${line}\n`);
  };
}

function report(file: string, result: Replayed): string {
  const { revisions, versions, deltas, fulls, bytes, wholeBytes, seconds } = result;
  const count = (value: number) => value.toLocaleString('en');
  return `${basename(file)}: ${count(revisions)} revisions, ${count(versions)} versions, each rebuilt by the watching client
  received     ${count(bytes)} bytes in ${count(deltas)} deltas and ${count(fulls)} documents (messages as serialized)
  as documents ${count(wholeBytes)} bytes (the same messages, each with the whole document)
  ratio        1 : ${(wholeBytes / bytes).toFixed(1)}
  rate         ${count(Math.round(revisions / seconds))} revisions/s, one after the other, each durable and received
`;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}
