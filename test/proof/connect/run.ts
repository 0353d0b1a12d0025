/**
 * connectrpc.com/conformance (`make connect-conformance`, with Go) against Chord's web front: Connect, gRPC-Web and gRPC,
 * Protobuf and JSON, HTTP/1.1 and 2, with TLS and without; unary calls and server streams. It fails where another test
 * fails than those of known-failing.txt.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TOOL = join(ROOT, '.tools/bin/connectconformance');
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

if (!existsSync(TOOL)) {
  console.log('left out: there is no connectconformance (make connect-conformance, with Go)');
  process.exit(0);
}

const folder = join(ROOT, '.tools/connect');
const protos = join(folder, 'protos.binpb');
// In one file, so that each of the suite's servers starts in time.
await build({
  ...{ configFile: false, logLevel: 'error', root: ROOT },
  build: { ssr: here('server.ts'), outDir: folder, target: 'es2022' },
});
const built = execFileSync('go', ['version', '-m', TOOL], { encoding: 'utf8' });
const [, module, version] = /^\s*mod\s+(\S+)\s+(\S+)/m.exec(built)!;
const info = execFileSync('go', ['mod', 'download', '-json', `${module}@${version}`], { encoding: 'utf8' });
execFileSync('npx', ['--no-install', 'buf', 'build', join(JSON.parse(info).Dir, 'proto'), '-o', protos], { cwd: ROOT });
const options = [
  '--mode',
  'server',
  '--conf',
  here('features.yaml'),
  '--known-failing',
  `@${here('known-failing.txt')}`,
];
const server = ['--', process.execPath, join(folder, 'server.js'), protos];
const run = spawnSync(TOOL, [...options, ...process.argv.slice(2), ...server], { cwd: ROOT, stdio: 'inherit' });
process.exitCode = run.status ?? 1;
