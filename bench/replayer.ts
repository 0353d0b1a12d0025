/** Feeds a history through SetContext while a watching client rebuilds each revision from what it receives. */
import { changesFromProto } from '../src/codec/changes.js';
import { apply, diff, equal } from '../src/delta/index.js';
import { DeleteContextRequest } from '../src/gen/chord/v1/context_service.js';
import { FullReason } from '../src/gen/chord/v1/model.js';
import { WatchContextsResponse } from '../src/gen/chord/v1/sync_service.js';
import { type JsonObject, type Position, samePosition } from '../src/model/model.js';
import { Connection } from './client.js';
import { eventOf, put, WATCH, watchRequest } from './requests.js';

export interface Replayed {
  readonly revisions: number;
  /** Those that changed something. */
  readonly versions: number;
  readonly deltas: number;
  readonly fulls: number;
  /** Sizes of the messages received, WatchContextsResponse as serialized. */
  readonly bytes: number;
  /** What the same messages would come to with the whole document in each. */
  readonly wholeBytes: number;
  readonly seconds: number;
}

/** The client holds something else than what was written. */
export class Difference extends Error {}

/** Rejects with Difference at the first revision that the client holds otherwise than it was written. */
export async function replay(
  address: string,
  contextId: string,
  revisions: readonly JsonObject[],
  progress: (done: number) => void = () => {},
): Promise<Replayed> {
  const connection = await Connection.open(address);
  const watcher = new Rebuilder();
  const stream = connection.stream(WATCH, (bytes) => watcher.receive(bytes), watchRequest(contextId));
  stream.ended.catch((error: Error) => watcher.fail(error));
  const begin = performance.now();
  let wholeBytes = 0;
  let last: Position | undefined;
  let versions = 0;
  try {
    for (const [index, revision] of revisions.entries()) {
      const position = await put(connection, contextId, revision);
      await watcher.reach(position);
      if (!watcher.document || !equal(watcher.document, revision)) throw difference(index, watcher.document, revision);
      if (!last || !samePosition(last, position)) {
        versions++;
        wholeBytes += wholeMessage(contextId, revision, position);
      }
      last = position;
      progress(index + 1);
    }
    const { deltas, fulls, bytes } = watcher;
    const seconds = (performance.now() - begin) / 1000;
    return { revisions: revisions.length, versions, deltas, fulls, bytes, wholeBytes, seconds };
  } finally {
    stream.cancel();
    const request = { contextId, expected: undefined, requestId: '', annotations: new Map(), allowMissing: true };
    await connection.unary('/chord.v1.ContextService/DeleteContext', DeleteContextRequest.encode(request).finish());
    connection.close();
  }
}

/** The client: a document, and where it stands. */
class Rebuilder {
  document: JsonObject | undefined;
  deltas = 0;
  fulls = 0;
  bytes = 0;
  #at: Position | undefined;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  receive(message: Buffer): void {
    try {
      this.#take(message);
    } catch (error) {
      this.fail(error as Error);
    }
    this.#wake?.();
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#wake?.();
  }

  async reach(position: Position): Promise<void> {
    while (!this.#at || !samePosition(this.#at, position)) {
      if (this.#error) throw this.#error;
      if (this.#at && this.#at.version > position.version)
        throw new Difference(`the watch ran ahead to ${this.#at.version}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #take(message: Buffer): void {
    const event = eventOf(message);
    if (event.$case === 'full') {
      const { value, position } = event.value.context!;
      this.document = (value ?? {}) as JsonObject;
      this.#at = position;
      this.fulls++;
    } else if (event.$case === 'delta') {
      const { from, to, changes } = event.value;
      if (!this.#at || !samePosition(this.#at, from!)) {
        throw new Difference(
          `a delta begins at version ${from?.version}, the client is at ${this.#at?.version ?? 'none'}`,
        );
      }
      this.document = apply(changesFromProto(changes), this.document!);
      this.#at = to;
      this.deltas++;
    } else return;
    this.bytes += message.length;
  }
}

function wholeMessage(contextId: string, value: JsonObject, position: Position): number {
  const at = { seconds: Math.floor(Date.now() / 1000), nanos: 123_000_000 };
  const context = { contextId, value, position, createdAt: at, updatedAt: at, expiresAt: undefined };
  const event = { $case: 'full' as const, value: { context, reason: FullReason.INITIAL } };
  return WatchContextsResponse.encode({ event, more: false }).finish().length;
}

function difference(index: number, received: JsonObject | undefined, written: JsonObject): Difference {
  const [first] = diff(received ?? {}, written);
  return new Difference(
    `revision ${index + 1} differs at ${JSON.stringify(first?.path ?? [])}; to be right, the client lacks ${JSON.stringify(first)}`,
  );
}
