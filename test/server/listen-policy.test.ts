/** Where a server may listen, and with which certificates it starts. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type ChordOptions, startChord } from '../../src/server/app.js';
import { isLoopback } from '../../src/server/loopback.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { Authority, EXPIRED, type Files, HERE, NOT_YET, writePair } from '../support/certificates.js';
import { serve } from '../support/chord.js';

const ca = await Authority.create();
const here: ChordOptions = { listen: '127.0.0.1:0', backend: 'memory', logLevel: 'silent' };
const anywhere: ChordOptions = { ...here, listen: '0.0.0.0:0' };

function tls({ cert, key }: Files): ChordOptions {
  return { tlsCert: cert, tlsKey: key };
}

async function refusal(t: ExecutionContext, options: ChordOptions): Promise<string> {
  return (await t.throwsAsync(startChord(options)))!.message;
}

test('loopback is what nobody else can reach', (t) => {
  for (const host of [
    '127.0.0.1',
    '127.9.9.9',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    'localhost',
    'LOCALHOST',
  ]) {
    t.true(isLoopback(`${host}:1`), host);
  }
  const others = ['0.0.0.0', '[::]', '192.168.1.1', '10.0.0.1', '128.0.0.1', '[fe80::1]', '[::ffff:10.0.0.1]'];
  for (const host of [...others, 'chord.example', 'localhost.example', 'notlocalhost', '127.0.0.1.example', '127.1']) {
    t.false(isLoopback(`${host}:1`), host);
  }
});

test('beyond loopback, TLS and authentication are needed, and the refusal says what to do', async (t) => {
  const folder = await temporaryDirectory(t);
  const files = await writePair(folder, 'server', await ca.issue({ names: HERE }));
  const tlsClientCa = join(folder, 'clients.pem');
  await writeFile(tlsClientCa, ca.cert);

  const plain = await refusal(t, anywhere);
  t.regex(plain, /^0\.0\.0\.0:0 is beyond loopback, and others could read the traffic .* and read and write all/);
  t.regex(plain, /set tlsCert and tlsKey/);
  t.regex(plain, /set authTokens, authJwks or tlsClientCa/);
  t.regex(plain, /Listen on 127\.0\.0\.1, or set --insecure/);
  const encrypted = await refusal(t, { ...anywhere, ...tls(files) });
  t.regex(encrypted, /others could read and write all contexts/);
  t.notRegex(encrypted, /the traffic/);

  // A name is not known to be loopback; this one is another way to write 127.0.0.1.
  const named = { ...here, listen: '127.1:0' };
  t.regex(await refusal(t, named), /is beyond loopback/);
  await serve(t, { ...named, ...tls(files), tlsClientCa });
  await serve(t, { ...named, ...tls(files), insecure: true });
  await serve(t, { ...named, insecure: true });
});

test('metrics beyond loopback need a word of their own, which opens nothing else', async (t) => {
  const metrics = { ...here, metricsListen: '0.0.0.0:0' };
  t.regex(await refusal(t, metrics), /^metrics on 0\.0\.0\.0:0 are beyond loopback.* or say --metrics-insecure/);
  t.regex(await refusal(t, { ...anywhere, metricsInsecure: true }), /is beyond loopback, and others could/);
  const { metricsAddress } = await serve(t, { ...metrics, metricsInsecure: true });
  const port = metricsAddress!.slice(metricsAddress!.lastIndexOf(':') + 1);
  t.is((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
});

test('certificates that cannot be served are refused at the start, with the file and the reason', async (t) => {
  const folder = await temporaryDirectory(t);
  const [server, other, late, early, chain] = await Promise.all([
    writePair(folder, 'server', await ca.issue({ names: HERE })),
    writePair(folder, 'other', await ca.issue({ names: HERE })),
    writePair(folder, 'late', await ca.issue(EXPIRED)),
    writePair(folder, 'early', await ca.issue(NOT_YET)),
    ca.issue({ names: HERE }),
  ]);
  const disordered = await writePair(folder, 'disordered', { cert: ca.cert + chain.cert, key: chain.key });
  const write = async (name: string, text: string | Buffer): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  };
  const nonsense = await write('nonsense', '-----BEGIN CERTIFICATE-----\naGFsbG8=\n-----END CERTIFICATE-----\n');
  const encrypted = '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n';
  const locked = await write('locked', encrypted);

  const cases: [ChordOptions, string | RegExp][] = [
    [{ tlsCert: server.cert }, 'tlsCert and tlsKey are needed together'],
    [{ tlsKey: server.key }, 'tlsCert and tlsKey are needed together'],
    [{ tlsClientCa: server.cert }, 'tlsClientCa needs tlsCert and tlsKey'],
    [{ ...tls(server), tlsCert: '/nowhere' }, /^tlsCert: \/nowhere cannot be read: ENOENT/],
    [{ ...tls(server), tlsKey: folder }, /^tlsKey: .* cannot be read: EISDIR/],
    [{ ...tls(server), tlsClientCa: '/nowhere' }, /^tlsClientCa: \/nowhere cannot be read: ENOENT/],
    [{ ...tls(server), tlsCert: server.key }, /^tlsCert: .*server\.key holds no certificate in PEM form/],
    [
      { ...tls(server), tlsCert: nonsense },
      /^tlsCert: .*nonsense holds a certificate that cannot be read \(number 1\)/,
    ],
    [{ ...tls(server), tlsClientCa: nonsense }, /^tlsClientCa: .*nonsense holds a certificate that cannot be read/],
    [{ ...tls(server), tlsKey: server.cert }, /^tlsKey: .*server\.pem holds no private key in PEM form/],
    [{ ...tls(server), tlsKey: locked }, /^tlsKey: .*locked (is encrypted|holds no private key)/],
    [
      { ...tls(server), tlsKey: other.key },
      /^tlsKey: .*other\.key is not the key of the certificate in .*server\.pem$/,
    ],
    [tls(disordered), /is not the key .*; the server's own certificate must stand first$/],
    [tls(late), /^tlsCert: .*late\.pem expired on .* GMT: CN=test$/],
    [tls(early), /^tlsCert: .*early\.pem is not valid before .* GMT: CN=test$/],
    [
      { ...tls(server), tlsClientCa: late.cert },
      /^tlsClientCa: .* holds no authority that is valid now; the first expired/,
    ],
  ];
  for (const [options, message] of cases) {
    const said = await refusal(t, { ...here, ...options });
    if (typeof message === 'string') t.is(said, message);
    else t.regex(said, message);
  }
});
