/** The client commands over TLS: what they need, and what they say where it is missing. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { Authority, EXPIRED, type Files, HERE, writePair } from '../support/certificates.js';
import { serve } from '../support/chord.js';
import { chord, Running } from '../support/cli.js';

const ca = await Authority.create();
const stranger = await Authority.create('Strange CA');

interface Scene {
  /** Without client certificates, with them, with a certificate for another name, without TLS. */
  readonly tls: string;
  readonly mutual: string;
  readonly named: string;
  readonly plain: string;
  readonly ca: string;
  readonly strange: string;
  readonly own: Files;
  readonly late: Files;
}

async function scene(t: ExecutionContext): Promise<Scene> {
  const folder = await temporaryDirectory(t);
  const [server, named, own, late] = await Promise.all([
    writePair(folder, 'server', await ca.issue({ names: HERE })),
    writePair(folder, 'named', await ca.issue({ names: ['chord.example'] })),
    writePair(folder, 'own', await ca.issue({ name: 'someone' })),
    writePair(folder, 'late', await ca.issue(EXPIRED)),
  ]);
  const files = { ca: join(folder, 'ca.pem'), strange: join(folder, 'strange.pem') };
  await Promise.all([writeFile(files.ca, ca.cert), writeFile(files.strange, stranger.cert)]);
  const pair = { tlsCert: server.cert, tlsKey: server.key };
  const [tls, mutual, other, plain] = await Promise.all([
    serve(t, pair),
    serve(t, { ...pair, tlsClientCa: files.ca }),
    serve(t, { tlsCert: named.cert, tlsKey: named.key }),
    serve(t),
  ]);
  const addresses = { tls: tls.address, mutual: mutual.address, named: other.address, plain: plain.address };
  return { ...addresses, ...files, own, late };
}

test('commands reach a server with TLS, by flags or variables', async (t) => {
  const { tls, mutual, named, ca, own } = await scene(t);
  const set = await chord(['set', 'a', '{"n":1}', '--address', tls, '--ca', ca]);
  t.deepEqual([set.code, set.stderr], [0, '']);
  const variables = { CHORD_ADDRESS: mutual, CHORD_CA: ca, CHORD_CLIENT_CERT: own.cert, CHORD_CLIENT_KEY: own.key };
  t.deepEqual(await chord(['set', 'b', '{}'], '', variables).then(({ code, stderr }) => [code, stderr]), [0, '']);
  const other = ['get', 'c', '--address', named, '--ca', ca];
  t.regex((await chord([...other, '--server-name', 'chord.example'])).stderr, /NOT_FOUND/);
  const watch = new Running(['watch', 'a', '--json', '--address', tls, '--ca', ca]);
  t.like(await watch.json(), { event: 'full', value: { n: 1 } });
  t.is((await watch.end('SIGINT')).code, 0);
});

test('where TLS does not work out, one line says why and what to do', async (t) => {
  const { tls, mutual, named, plain, ca, strange, own, late } = await scene(t);
  const cert = (files: Files) => ['--client-cert', files.cert, '--client-key', files.key];
  const cases: [string, string[], RegExp][] = [
    [tls, [], /hung up; if it serves TLS, say --tls or --ca FILE\)$/],
    [
      tls,
      ['--tls'],
      /^chord: UNAVAILABLE: unable to verify the first certificate \(.*; name the authority .*: --ca FILE\)$/,
    ],
    [tls, ['--ca', strange], /unable to verify the first certificate \(.*--ca FILE\)$/],
    [named, ['--ca', ca], /does not match certificate's altnames.*--server-name NAME\)$/],
    [
      tls,
      ['--ca', ca, '--server-name', 'chord.example'],
      /does not match certificate's altnames.*--server-name NAME\)$/,
    ],
    [plain, ['--tls'], /^chord: UNAVAILABLE: wrong version number \(.*; does it serve plain text\?\)$/],
    [mutual, ['--ca', ca, ...cert(late)], /hung up; does it accept .*late\.pem\?\)$/],
    // Which of the two is heard, the network decides.
    [
      mutual,
      ['--ca', ca],
      /it wants a certificate: --client-cert FILE|does it accept clients without a certificate\?\)$/,
    ],
  ];
  const ends = await Promise.all(cases.map(([address, flags]) => chord(['get', 'a', '--address', address, ...flags])));
  for (const [i, [, , message]] of cases.entries()) {
    const { code, stdout, stderr } = ends[i]!;
    t.deepEqual([code, stdout], [1, ''], stderr);
    t.is(stderr.trimEnd().split('\n').length, 1, stderr);
    t.regex(stderr.trimEnd(), message);
  }
  const fine = await chord(['get', 'a', '--address', mutual, '--ca', ca, ...cert(own)]);
  t.regex(fine.stderr, /NOT_FOUND/);
});

test('files that are not what they should be are wrong usage', async (t) => {
  const folder = await temporaryDirectory(t);
  const one = await writePair(folder, 'one', await ca.issue());
  const two = await writePair(folder, 'two', await ca.issue());
  const cases: [string[], RegExp][] = [
    [['--ca', '/nowhere'], /^chord: --ca: cannot read \/nowhere: ENOENT/],
    [['--ca', one.key], /^chord: --ca: .*one\.key holds no certificate in PEM form/],
    [['--client-cert', one.cert], /^chord: --client-cert and --client-key are needed together/],
    [['--client-cert', one.cert, '--client-key', two.key], /^chord: --client-cert .* and --client-key .* do not fit/],
    [['--client-cert', one.cert, '--client-key', one.cert], /^chord: --client-key: .*one\.pem holds no private key/],
  ];
  const ends = await Promise.all(cases.map(([flags]) => chord(['get', 'a', ...flags])));
  for (const [i, [, message]] of cases.entries()) {
    t.is(ends[i]!.code, 2);
    t.regex(ends[i]!.stderr, message);
  }
  const odd = await chord(['get', 'a'], '', { CHORD_TLS: 'perhaps' });
  t.deepEqual([odd.code, odd.stderr], [2, 'chord: CHORD_TLS: expected true or false, got "perhaps"\n']);
  const served = await chord(['serve', '--ca', one.cert], '', { CHORD_CA: 'x', CHORD_TLS: 'true' });
  t.deepEqual([served.code, served.stderr], [2, 'chord: unknown setting --ca\n']);
});
