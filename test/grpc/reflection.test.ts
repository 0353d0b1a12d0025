/** Health and reflection, as the tools of the trade use them. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { type Client, Metadata } from '@grpc/grpc-js';
import test from 'ava';
import { service as Health } from 'grpc-health-check';
import { connect, serve } from '../support/chord.js';

const NOT_FOUND = 5;
const SERVICES = ['chord.v1.ContextService', 'chord.v1.SyncService'];
const run = promisify(execFile);

interface Word {
  readonly status: string;
}

function check(client: Client, service: string): Promise<Word> {
  const { path, requestSerialize, responseDeserialize } = Health.Check!;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, answer) =>
      error ? reject(error) : resolve(answer as Word),
    );
  });
}

test('health is told, and changes of it are', async (t) => {
  // A stop waits neither for the grace nor for a check of the connection.
  const chord = await serve(t, { shutdownGrace: 600_000, keepaliveInterval: 7_200_000 });
  const { client } = connect(t, chord.address);
  for (const service of ['', ...SERVICES]) t.is((await check(client, service)).status, 'SERVING');
  t.is(((await t.throwsAsync(check(client, 'other.Service'))) as Error & { code: number }).code, NOT_FOUND);

  const { path, requestSerialize, responseDeserialize } = Health.Watch!;
  const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: SERVICES[0] });
  const words: string[] = [];
  const ended = new Promise<void>((resolve) => watch.on('error', () => resolve()).on('end', () => resolve()));
  const first = new Promise<void>((resolve) => watch.once('data', () => resolve()));
  watch.on('data', (word: Word) => words.push(word.status));
  await first;
  await chord.close();
  await ended;
  t.deepEqual(words, ['SERVING', 'NOT_SERVING']);
});

// Fields of ServerReflectionRequest and -Response.
const FILE_BY_FILENAME = 3;
const FILE_CONTAINING_SYMBOL = 4;
const LIST_SERVICES = 7;
const FILES = 4;
const SERVICE_LIST = 6;
const ERROR = 7;

/** One question, one answer: its field numbers with their bytes. */
async function ask(client: Client, version: string, field: number, text: string): Promise<[number, Uint8Array]> {
  const call = client.makeBidiStreamRequest(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes: Buffer) => bytes,
    new Metadata(),
    {},
  );
  call.write(
    new BinaryWriter()
      .uint32((field << 3) | 2)
      .string(text)
      .finish(),
  );
  const bytes = await new Promise<Buffer>((resolve, reject) => call.on('data', resolve).on('error', reject));
  call.end();
  return fields(bytes).find(([number]) => [FILES, SERVICE_LIST, ERROR].includes(number))!;
}

function fields(bytes: Uint8Array): [number, Uint8Array][] {
  const reader = new BinaryReader(bytes);
  const found: [number, Uint8Array][] = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type === 2) found.push([number, reader.bytes()]);
    else reader.skip(type);
  }
  return found;
}

for (const version of ['v1', 'v1alpha']) {
  test(`each file comes with all that it imports (${version})`, async (t) => {
    const { client } = connect(t, (await serve(t)).address);
    const [kind, list] = await ask(client, version, LIST_SERVICES, '*');
    t.is(kind, SERVICE_LIST);
    const names = fields(list).map(([, entry]) => Buffer.from(fields(entry)[0]![1]).toString());
    const answered = ['Context', 'Sync', 'Cleanup', 'Transfer', 'Admin'].map((name) => `chord.v1.${name}Service`);
    const standard = ['v1', 'v1alpha'].map((each) => `grpc.reflection.${each}.ServerReflection`);
    t.deepEqual(names, [...answered, 'grpc.health.v1.Health', ...standard]);

    const questions: [number, string][] = [
      ...names.map((name): [number, string] => [FILE_CONTAINING_SYMBOL, name]),
      [FILE_CONTAINING_SYMBOL, 'chord.v1.ContextService.SetContext'],
      [FILE_CONTAINING_SYMBOL, 'chord.v1.Delta'],
      [FILE_CONTAINING_SYMBOL, 'chord.v1.Subscription.KnownEntry'],
      [FILE_CONTAINING_SYMBOL, 'chord.v1.PositionMismatch'],
      [FILE_BY_FILENAME, 'chord/v1/sync_service.proto'],
      [FILE_BY_FILENAME, 'google/protobuf/struct.proto'],
    ];
    for (const [field, text] of questions) {
      const [answered, answer] = await ask(client, version, field, text);
      t.is(answered, FILES, text);
      const files: FileDescriptorProto[] = fields(answer).map(([, file]) =>
        fromBinary(FileDescriptorProtoSchema, file),
      );
      const present = new Set(files.map(({ name }) => name));
      for (const file of files) {
        for (const imported of file.dependency) t.true(present.has(imported), `${text}: ${imported} is missing`);
      }
    }
    for (const field of [FILE_BY_FILENAME, FILE_CONTAINING_SYMBOL]) {
      t.is((await ask(client, version, field, 'no.such.Thing'))[0], ERROR);
    }
  });
}

/** Where grpcurl is, if it is anywhere. */
function findGrpcurl(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), join(homedir(), 'go', 'bin')];
  return folders
    .map((folder) => join(folder, 'grpcurl'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

test('grpcurl lists, describes, calls and watches without proto files', async (t) => {
  const grpcurl = findGrpcurl();
  if (!grpcurl) {
    t.log('skipped: no grpcurl on the PATH or in ~/go/bin');
    t.pass();
    return;
  }
  const { address } = await serve(t);
  const call = async (...args: string[]) => (await run(grpcurl, ['-plaintext', ...args])).stdout;

  const services = (await call(address, 'list')).trim().split('\n');
  for (const name of SERVICES) t.true(services.includes(name), services.join());
  for (const name of services) t.regex(await call(address, 'describe', name), /service/);
  t.regex(await call(address, 'describe', 'chord.v1.WatchContextsResponse'), /CaughtUp caught_up/);

  const set = JSON.stringify({ contextId: 'a', value: { words: ['x', null, 1.5] }, returning: { delta: true } });
  const wrote = JSON.parse(await call('-d', set, address, 'chord.v1.ContextService/SetContext'));
  t.is(wrote.position.version, '1');
  t.deepEqual(wrote.delta.changes, [{ path: ['words'], action: 'CHANGE_ACTION_ADDED', value: ['x', null, 1.5] }]);
  const got = JSON.parse(await call('-d', '{"contextId":"a"}', address, 'chord.v1.ContextService/GetContext'));
  t.deepEqual(got.context.value, { words: ['x', null, 1.5] });

  // Errors come with details that reflection explains.
  const failed = await t.throwsAsync<Error & { stderr: string }>(
    call('-d', '{"contextId":"a","expected":{"absent":true}}', address, 'chord.v1.ContextService/SetContext'),
  );
  t.regex(failed!.stderr, /Aborted[\s\S]*PositionMismatch[\s\S]*"version": "1"/);
});
