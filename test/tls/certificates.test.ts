/** Certificates follow what is on disk, however it is put there, and never follow what cannot be served. */
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Certificates } from '../../src/tls/certificates.js';
import type { CertificateInfo } from '../../src/tls/pem.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { Authority, EXPIRED, type Files, NOT_YET, type Pair, writePair } from '../support/certificates.js';

const ca = await Authority.create();

function named(name: string): Promise<Pair> {
  return ca.issue({ name, names: ['localhost'] });
}

/** Certificates that look often, and what they told, in one word each. */
async function follow(t: ExecutionContext, files: { cert: string; key: string; clientCa?: string }) {
  const told: string[] = [];
  let wake = () => {};
  const tell = (word: string) => {
    told.push(word);
    wake();
  };
  const certificates = await Certificates.open({
    files: { clientCa: '', ...files },
    onLoaded: ({ subject }: CertificateInfo) => tell(subject),
    onRefused: (error) => tell(error.message),
    onExpiring: ({ subject }) => tell(`expiring ${subject}`),
    lookEvery: 5,
  });
  const alive = setInterval(() => {}, 1000); // the looks keep no process alive
  t.teardown(() => {
    clearInterval(alive);
    certificates.close();
  });
  const next = async (): Promise<string> => {
    while (told.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return told.shift()!;
  };
  // Files that are not replaced at the same moment may be refused on the way.
  const until = async (word: string): Promise<void> => {
    while ((await next()) !== word);
  };
  t.is(await next(), certificates.info.subject);
  return { certificates, told, next, until };
}

/** Puts files where `data` leads to, both at the same moment. @returns where to read them */
async function publish(folder: string, name: string, { cert, key }: Partial<Pair>): Promise<Files> {
  await mkdir(join(folder, name));
  if (cert !== undefined) await writeFile(join(folder, name, 'tls.pem'), cert);
  if (key !== undefined) await writeFile(join(folder, name, 'tls.key'), key);
  await symlink(name, join(folder, 'data.new'));
  await rename(join(folder, 'data.new'), join(folder, 'data'));
  return { cert: join(folder, 'data', 'tls.pem'), key: join(folder, 'data', 'tls.key') };
}

test('files written in place', async (t) => {
  const folder = await temporaryDirectory(t);
  const { until, certificates } = await follow(t, await writePair(folder, 'server', await named('one')));
  const second = await named('two');
  await writePair(folder, 'server', second);
  await until('CN=two');
  t.deepEqual(certificates.context.cert, Buffer.from(second.cert));
  t.deepEqual(certificates.context.key, Buffer.from(second.key));
});

test('files renamed over the old ones', async (t) => {
  const folder = await temporaryDirectory(t);
  const files = await writePair(folder, 'server', await named('one'));
  const { until } = await follow(t, files);
  const fresh = await writePair(folder, 'fresh', await named('two'));
  await rename(fresh.cert, files.cert);
  await rename(fresh.key, files.key);
  await until('CN=two');
  t.pass();
});

test('a folder behind a link that is swapped', async (t) => {
  const folder = await temporaryDirectory(t);
  const { next } = await follow(t, await publish(folder, 'first', await named('one')));
  await publish(folder, 'second', await named('two'));
  t.is(await next(), 'CN=two');
  await rm(join(folder, 'first'), { recursive: true });
  await publish(folder, 'third', await named('three'));
  t.is(await next(), 'CN=three');
});

test('a new authority of clients', async (t) => {
  const folder = await temporaryDirectory(t);
  const clientCa = join(folder, 'clients.pem');
  await writeFile(clientCa, ca.cert);
  const files = await writePair(folder, 'server', await named('one'));
  const { until, certificates } = await follow(t, { ...files, clientCa });
  const both = ca.cert + (await Authority.create('Second CA')).cert;
  await writeFile(clientCa, both);
  await until('CN=one');
  t.deepEqual(certificates.context.ca, Buffer.from(both));
});

test('what cannot be served is told once, and what can be is kept until it is', async (t) => {
  const folder = await temporaryDirectory(t);
  const first = await named('one');
  const files = await publish(folder, 'first', first);
  const { next, told, certificates } = await follow(t, files);
  const second = await named('two');

  await publish(folder, 'half', { cert: second.cert, key: first.key });
  t.is(await next(), `tlsKey: ${files.key} is not the key of the certificate in ${files.cert}`);
  await publish(folder, 'no key', { cert: second.cert });
  t.regex(await next(), /^tlsKey: .*tls\.key cannot be read: ENOENT/);
  await publish(folder, 'cut off', { cert: second.cert, key: second.key.slice(0, 100) });
  t.regex(await next(), /^tlsKey: .*tls\.key holds no private key in PEM form/);
  await publish(folder, 'expired', await ca.issue({ name: 'late', ...EXPIRED }));
  t.regex(await next(), /^tlsCert: .*tls\.pem expired on .* GMT: CN=late$/);
  await publish(folder, 'not yet', await ca.issue({ name: 'early', ...NOT_YET }));
  t.regex(await next(), /^tlsCert: .*tls\.pem is not valid before .* GMT: CN=early$/);

  t.deepEqual(certificates.context.cert, Buffer.from(first.cert));
  await publish(folder, 'second', second);
  t.is(await next(), 'CN=two');
  t.deepEqual(told, []);
});

test('when told to, the files are read at once; what is wrong with them is the answer', async (t) => {
  const folder = await temporaryDirectory(t);
  const files = await writePair(folder, 'server', await named('one'));
  const words: string[] = [];
  const certificates = await Certificates.open({
    files: { ...files, clientCa: '' },
    onLoaded: ({ subject }) => words.push(subject),
    onRefused: () => t.fail(),
    onExpiring: () => t.fail(),
  });
  t.teardown(() => certificates.close());
  await certificates.reload();
  t.deepEqual(words, ['CN=one'], 'nothing has changed');
  await writePair(folder, 'server', await named('two'));
  await certificates.reload();
  t.deepEqual(words, ['CN=one', 'CN=two']);
  await writeFile(files.cert, 'nothing');
  await t.throwsAsync(certificates.reload(), { message: /holds no certificate in PEM form/ });
  t.is(certificates.info.subject, 'CN=two');
});

test('one that ends soon is told of, once', async (t) => {
  const hour = 3_600_000;
  const soon = { from: new Date(Date.now() - 20 * hour), until: new Date(Date.now() + hour) };
  const folder = await temporaryDirectory(t);
  const { next, told } = await follow(t, await publish(folder, 'old', await ca.issue({ name: 'old', ...soon })));
  t.is(await next(), 'expiring CN=old');
  await publish(folder, 'new', await named('new'));
  t.is(await next(), 'CN=new');
  t.deepEqual(told, []);
});
