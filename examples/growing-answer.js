/**
 * A text that grows word by word, as the answer of a language model does, and three viewers that follow it:
 *
 *     chord serve --backend memory
 *     node examples/growing-answer.js 127.0.0.1:50051
 *
 * The first viewer watches from the start. The second one is slow: it asks once in 50 words, and gets all of them as one
 * insert. The third one joins in the middle: it gets the document, then each word. No viewer gets a word twice.
 *
 * Its one dependency beside grpc-js is @grpc/proto-loader, which reads the .proto files that the package brings.
 */
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const [address = '127.0.0.1:50051'] = process.argv.slice(2);
const definition = loader.loadSync(['chord/v1/context_service.proto', 'chord/v1/sync_service.proto'], {
  includeDirs: [fileURLToPath(new URL('../proto', import.meta.url))],
  enums: String,
  longs: Number,
});
const { ContextService, SyncService } = grpc.loadPackageDefinition(definition).chord.v1;
const credentials = grpc.credentials.createInsecure();
const contexts = new ContextService(address, credentials);
const sync = new SyncService(address, credentials);
const update = promisify(contexts.updateContext.bind(contexts));

const contextId = `answer:${process.pid}`;
const clef = '\u{1d11e}';
const words = Array.from({ length: 300 }, (_, i) => (i % 10 === 9 ? `${clef}${i} ` : `word${i} `));

/** A copy of the text. What it gets is a Full or a Delta, and counted in bytes as it comes. */
class Viewer {
  text = '';
  position;
  documents = 0;
  inserts = 0;
  #awaited = () => {};

  constructor(name) {
    this.name = name;
  }

  full({ context }) {
    this.documents++;
    this.text = context.value.fields.text.stringValue;
    this.#move(context.position);
  }

  /** Positions in a splice count code points, as the elements of an array of characters do. */
  delta({ changes, to }) {
    for (const { textSplice } of changes) {
      this.inserts++;
      const characters = [...this.text];
      characters.splice(textSplice.index, textSplice.removedCount, textSplice.inserted);
      this.text = characters.join('');
    }
    this.#move(to);
  }

  #move(position) {
    this.position = position;
    this.#awaited();
  }

  reached(version) {
    return new Promise((resolve) => {
      this.#awaited = () => this.position?.version >= version && resolve();
      this.#awaited();
    });
  }

  watch() {
    const stream = counted(SyncService.service.WatchContexts, (method) =>
      sync.makeServerStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, {
        subscriptions: [{ contextId }],
      }),
    );
    this.bytes = () => stream.bytes;
    stream.call.on('data', ({ full, delta }) => {
      if (full) this.full(full);
      if (delta) this.delta(delta);
    });
    stream.call.on('error', ({ code }) => {
      if (code !== grpc.status.CANCELLED) throw new Error('the watch ended');
    });
    this.end = () => stream.call.cancel();
  }

  #polled = 0;

  async poll() {
    const { full, delta } = await new Promise((resolve, reject) => {
      const request = { contextId, known: this.position };
      const poll = counted(SyncService.service.SyncContext, (method) =>
        sync.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          (error, answer) => {
            this.#polled += poll.bytes;
            if (error) reject(error);
            else resolve(answer);
          },
        ),
      );
    });
    this.bytes = () => this.#polled;
    if (full) this.full(full);
    if (delta) this.delta(delta);
  }

  report() {
    const { name, documents, inserts } = this;
    console.log(`${name}: ${documents} document, ${inserts} inserts, ${this.bytes()} bytes`);
  }
}

/** Makes a call whose answers are counted in bytes. */
function counted(method, begin) {
  const counter = { bytes: 0, call: undefined };
  counter.call = begin({
    ...method,
    responseDeserialize: (bytes) => {
      counter.bytes += bytes.length;
      return method.responseDeserialize(bytes);
    },
  });
  return counter;
}

const quick = new Viewer('quick');
const slow = new Viewer('slow');
const late = new Viewer('late');

let written = '';
for (const [i, word] of words.entries()) {
  if (i === words.length / 2) late.watch();
  written += word;
  const mutations = [{ path: ['text'], appendText: word }];
  const { position } = await update({ contextId, mutations, allowMissing: true });
  if (i === 0) quick.watch();
  if (i === 0 || i === words.length / 2) await (i === 0 ? quick : late).reached(position.version);
  if (i % 50 === 0 || i === words.length - 1) await slow.poll();
}

await Promise.all([quick, late].map((viewer) => viewer.reached(words.length)));
console.log(`written: ${words.length} words, ${Buffer.byteLength(written)} bytes`);
for (const viewer of [quick, slow, late]) {
  if (viewer.text !== written) throw new Error(`${viewer.name} has another text`);
  viewer.report();
  viewer.end?.();
}
contexts.deleteContext({ contextId }, () => {
  contexts.close();
  sync.close();
});
