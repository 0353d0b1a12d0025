/**
 * Calls of the service that the client has no method for: the past, parts and formats, cleanup, export.
 * The server needs an external store: `chord serve --export-url file:exports`, then
 * `npx tsx examples/every-call.ts [HOST:PORT]`.
 */
import { randomUUID } from 'node:crypto';
import { connect } from 'chordstate';
import { cleanup, contexts, sync, transfer } from 'chordstate/grpc';

const client = connect(process.argv[2] ?? '127.0.0.1:50051');
const contextId = `room:${randomUUID()}`;
const { position } = await client.set(contextId, { topic: 'daily', members: ['ann'] }, { ttl: 60_000 });
await client.update(contextId, { changes: { topic: 'weekly' }, mutations: [{ path: ['members'], append: ['bob'] }] });

// Only a part of the document, and the delta as JSON Patch.
const paths = [{ keys: ['members'] }];
const { result } = await client.call(sync.syncContext, { contextId, known: position, paths, format: 'json_patch' });
console.log('patch', JSON.stringify(result?.$case === 'delta' && result.value.formatted));

// As it was at version 1; then a new version with that document.
const { context } = await client.call(contexts.getContext, { contextId, version: 1 });
console.log('was', JSON.stringify(context?.value));
const reverted = await client.call(contexts.revertContext, { contextId, version: 1, requestId: randomUUID() });
console.log('reverted', reverted.position?.version, JSON.stringify((await client.get(contextId)).value));

// What cleanup would remove now.
const swept = await client.call(cleanup.runCleanup, { dryRun: true, prefix: 'room:' });
console.log('due', swept.result?.contexts.length);

// All rooms to the external store, with their history; and one of them back.
for await (const { progress } of client.stream(transfer.exportContexts, { prefix: 'room:', history: true })) {
  console.log('exported', progress?.done, 'of', progress?.total);
}
await client.delete(contextId);
const restored = await client.call(transfer.restoreContext, { contextId });
console.log('restored', restored.context?.position?.version);

await client.close();
