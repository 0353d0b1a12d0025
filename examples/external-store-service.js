/**
 * An external store behind gRPC, which Chord calls: what users write in any language, here in JavaScript.
 *
 *     node examples/external-store-service.js 127.0.0.1:50052 ./saved
 *     chord serve --export-url grpc://127.0.0.1:50052
 *
 * Its one dependency beside grpc-js is @grpc/proto-loader, which reads the .proto files that the package brings.
 */
import { hash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const PROTO = fileURLToPath(new URL('../proto', import.meta.url));
const PAGE = 100;

const [address = '127.0.0.1:50052', directory = './saved'] = process.argv.slice(2);
await mkdir(directory, { recursive: true });

/** Any id is data, `../../etc/passwd` too: no part of it gets into a path. */
function pathOf(id) {
  return join(directory, `${hash('sha256', id)}.json`);
}

const handlers = {
  /** OK says that it is durable: Chord may delete the context then. `document` is to be kept to the character. */
  async save({ context }) {
    const draft = join(directory, `${randomUUID()}.tmp`);
    await flush(draft, 'wx', JSON.stringify(context));
    await rename(draft, pathOf(context.context_id));
    await flush(directory, 'r');
    return {};
  },

  async load({ context_id }) {
    const context = await read(pathOf(context_id));
    if (!context) throw Object.assign(new Error('nothing is saved under this id'), { code: grpc.status.NOT_FOUND });
    return { context };
  },

  /** In the order of the files' names, so that one serves as token: it stays right whatever comes or goes meanwhile. */
  async list({ prefix, page_token }) {
    const names = (await readdir(directory)).filter((name) => name.endsWith('.json') && name > page_token).sort();
    const page = names.slice(0, PAGE);
    const saved = await Promise.all(page.map((name) => read(join(directory, name))));
    const ids = saved.flatMap((context) => (context?.context_id.startsWith(prefix) ? [context.context_id] : []));
    return { context_ids: ids, next_page_token: names.length > PAGE ? page.at(-1) : '' };
  },

  async delete({ context_id }) {
    return { existed: (await orIfMissing(rm(pathOf(context_id)).then(() => true))) ?? false };
  },
};

/** Undefined where there is no such file. */
async function read(path) {
  const text = await orIfMissing(readFile(path, 'utf8'));
  return text && JSON.parse(text);
}

/** Opens a file or directory, and sees to it that it is on the disk. */
async function flush(path, flags, text = undefined) {
  const handle = await open(path, flags);
  try {
    if (text) await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function orIfMissing(work) {
  try {
    return await work;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const definition = loader.loadSync('chord/v1/external_store_service.proto', {
  includeDirs: [PROTO],
  keepCase: true,
  longs: String,
  defaults: true,
});
const { ExternalStoreService } = grpc.loadPackageDefinition(definition).chord.v1;
/** What a handler throws is the answer too: with its `code`, or as UNKNOWN. */
const served = Object.entries(handlers).map(([name, handle]) => [
  name,
  ({ request }, answer) => handle(request).then((reply) => answer(null, reply), answer),
]);

// A context with its history may be larger than the 4 MiB that servers take by default.
const server = new grpc.Server({ 'grpc.max_receive_message_length': -1 });
server.addService(ExternalStoreService.service, Object.fromEntries(served));
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`serving on port ${port}, from ${directory}`);
});
