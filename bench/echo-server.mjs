/**
 * The ceilings: what grpc-js itself costs, with nothing behind it. Everything is bytes, nothing is decoded.
 *  - /bench.Echo/Prepare: the request becomes the answer of Answer, and what Broadcast sends.
 *  - /bench.Echo/Answer, and Chord's own UpdateContext and SyncContext for ghz: answers the prepared bytes.
 *  - /bench.Echo/Listen: a stream that gets an empty message at once, and each broadcast.
 *  - /bench.Echo/Broadcast: writes the prepared Buffer to every stream.
 * Plain JavaScript without a loader, the same flags of node and the same options of grpc-js as Chord's own.
 * Arguments: the files of a certificate and of its key, for TLS; `--mended MODULE`: sessions are mended as Chord mends its
 * own, by that module of its build; or none.
 */
import { readFileSync } from 'node:fs';
import { Server, ServerCredentials } from '@grpc/grpc-js';

const NOTHING = Buffer.alloc(0);
const streams = new Set();
let prepared = NOTHING;

const args = process.argv.slice(2);
const { patchSession } = args[0] === '--mended' ? await import(args[1]) : {};
const [cert, key] = patchSession ? [] : args.map((file) => readFileSync(file));

const server = new Server({
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.max_concurrent_streams': 10_000,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.enable_channelz': 0,
});
server.addService(
  {
    prepare: method('Prepare', false),
    answer: method('Answer', false),
    updateContext: { ...method('Answer', false), path: '/chord.v1.ContextService/UpdateContext' },
    syncContext: { ...method('Answer', false), path: '/chord.v1.SyncService/SyncContext' },
    listen: method('Listen', true),
    broadcast: method('Broadcast', false),
  },
  {
    prepare({ request }, answer) {
      prepared = request;
      answer(null, NOTHING);
    },
    answer: answerPrepared,
    updateContext: answerPrepared,
    syncContext: answerPrepared,
    listen(call) {
      streams.add(call);
      call.on('close', () => streams.delete(call));
      call.on('cancelled', () => streams.delete(call));
      call.on('error', () => {});
      call.write(NOTHING);
    },
    broadcast(_call, answer) {
      for (const stream of streams) stream.write(prepared);
      answer(null, NOTHING);
    },
  },
);

process.on('SIGTERM', () => process.exit(0));
server.bindAsync('127.0.0.1:0', credentials(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`echo: serving on 127.0.0.1:${port}\n`);
});

function credentials() {
  if (!cert) return ServerCredentials.createInsecure();
  return ServerCredentials.createSsl(null, [{ private_key: key, cert_chain: cert }]);
}

function answerPrepared({ call }, answer) {
  patchSession?.(call.stream.session);
  answer(null, prepared);
}

function method(name, responseStream) {
  const bytes = (value) => value;
  return {
    path: `/bench.Echo/${name}`,
    requestStream: false,
    responseStream,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
}
