/**
 * Export and restore: contexts to an export provider and back. Exports read the store alone, and bypass the lanes: they
 * neither wait for writes nor delay them. No call to the provider lasts longer than the timeout.
 */
import { encodeStructInSteps } from '../codec/struct-steps.js';
import { type ExportedLife, importedCommits } from '../contexts/import-history.js';
import { LaneDocument } from '../contexts/lane/document.js';
import { inSteps, Pace, paced } from '../contexts/long-work.js';
import type { ContextService } from '../contexts/service.js';
import { bytesOf } from '../contexts/sync/merge.js';
import { checkId, checkPrefix, PAGE_BYTES } from '../contexts/validation.js';
import { weigh } from '../delta/index.js';
import { ChordError, notFound } from '../model/errors.js';
import { type Clock, type Head, type JsonObject, type Position, samePosition } from '../model/model.js';
import type { LogRecord, Store } from '../store/store.js';
import { fromText, toText } from './export-format.js';
import type { Provider } from './export-provider.js';
import { forEachContext, type TransferProgress, type Transferred } from './for-each-context.js';

export interface TransferOptions {
  readonly store: Store;
  readonly contexts: ContextService;
  /** Absent: every export and restore is refused. */
  readonly provider?: Provider | undefined;
  readonly clock: Clock;
  /** The timeout of each call to the provider, in milliseconds. */
  readonly timeout: number;
  readonly maxDocumentBytes: number;
}

/** The maximum bytes of an exported history, its newest part; the history and its text are held in memory. */
export const HISTORY_BYTES_MAX = 16 * 2 ** 20;
/** How often a context is read again that is written or trimmed during the read. */
const READS_MAX = 20;
/** How often an overwritten context is removed again that other writers create again. */
const OVERWRITES_MAX = 20;

export class Transfer {
  /** The cancel functions of the calls in progress. */
  readonly #calls = new Set<(error: ChordError) => void>();
  /** Contexts since the start of the server. */
  readonly counts = { export: { ok: 0, failed: 0 }, restore: { ok: 0, failed: 0 } };

  constructor(private readonly options: TransferOptions) {}

  /** Whether an export provider is configured. */
  get configured(): boolean {
    return this.options.provider !== undefined;
  }

  /** Exports a context, with its retained deltas where `history` is set. Resolves when the provider has confirmed. */
  export(id: string, history: boolean): Promise<Transferred> {
    return this.#counted('export', this.#export(id, history));
  }

  async #export(id: string, history: boolean): Promise<Transferred> {
    checkId(id);
    const provider = this.#provider();
    const { packed, saved } = await paced(async (pace) => {
      const read = await this.#pack(id, history, pace);
      return { packed: read, saved: await toSave(read, pace) };
    });
    await this.#call((signal) => provider.save(saved, signal));
    return summary(packed, packed.position);
  }

  /**
   * Exports a context with its deltas, whether or not it has expired, and reads the saved text back: before a deletion,
   * the confirmation of a provider is verified. Null: the context does not exist.
   */
  exportForGood(id: string): Promise<Transferred | null> {
    return this.#counted('export', this.#exportForGood(id));
  }

  async #exportForGood(id: string): Promise<Transferred | null> {
    const provider = this.#provider();
    const made = await paced(async (pace) => {
      const read = await this.#pack(id, true, pace, true);
      return read && { packed: read, saved: await toSave(read, pace) };
    });
    if (!made) return null;
    const { packed, saved } = made;
    await this.#call((signal) => provider.save(saved, signal));
    const kept = await this.#call((signal) => provider.load(id, signal));
    if (kept === saved.text) return summary(packed, packed.position);
    const what = kept === null ? 'nothing' : 'a different text';
    throw new ChordError('DATA_LOSS', `the external store kept ${what} of ${JSON.stringify(id)}`, { contextId: id });
  }

  /** Restores a context. Throws NOT_FOUND where no export is saved, ALREADY_EXISTS where the context exists. */
  restore(id: string, overwrite: boolean): Promise<Transferred> {
    return this.#counted('restore', this.#restore(id, overwrite));
  }

  async #restore(id: string, overwrite: boolean): Promise<Transferred> {
    checkId(id);
    const provider = this.#provider();
    const text = await this.#call((signal) => provider.load(id, signal));
    if (text === null)
      throw new ChordError('NOT_FOUND', `no export of ${JSON.stringify(id)} is saved`, { contextId: id });
    const packed = await fromText(text, id, new Pace());
    const bring = await this.#prepare(packed);
    for (let attempt = 1; attempt <= OVERWRITES_MAX; attempt++) {
      if (overwrite) await this.options.contexts.delete(id, { allowMissing: true });
      const position = await bring();
      if (position) return summary(packed, position);
      if (!overwrite) break;
    }
    throw new ChordError('ALREADY_EXISTS', `context ${JSON.stringify(id)} already exists`, { contextId: id });
  }

  async *exportAll(prefix: string, history: boolean): AsyncGenerator<TransferProgress> {
    checkPrefix(prefix);
    this.#provider();
    const ids: string[] = [];
    const pace = new Pace();
    for (let pageToken: string | undefined; pageToken !== ''; ) {
      await pace.turn();
      const page = await this.options.contexts.list(prefix, { pageSize: 1000, ...(pageToken && { pageToken }) });
      for (const { id } of page.heads) ids.push(id);
      pageToken = page.nextPageToken;
    }
    yield* forEachContext(ids, (id) => this.export(id, history));
  }

  async *restoreAll(prefix: string, overwrite: boolean): AsyncGenerator<TransferProgress> {
    checkPrefix(prefix);
    const provider = this.#provider();
    const ids: string[] = [];
    const controller = new AbortController();
    const listed = provider.list(prefix, controller.signal)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#call(() => listed.next());
        if (next.done) break;
        ids.push(next.value);
      }
    } finally {
      controller.abort();
    }
    yield* forEachContext(ids, (id) => this.restore(id, overwrite));
  }

  /** Cancels the calls in progress, and closes the provider. A provider that does not close is abandoned. */
  async close(): Promise<void> {
    const { provider } = this.options;
    for (const cutOff of this.#calls) cutOff(new ChordError('UNAVAILABLE', 'the server shuts down'));
    await this.#call(async () => provider?.close()).catch(() => {});
  }

  /** Validates the import before anything is overwritten. The result tries to store it, and answers the new position. */
  async #prepare(packed: ExportedLife): Promise<() => Promise<Position | undefined>> {
    const { id, value, ttl = 0, history } = packed;
    const { contexts, clock, maxDocumentBytes } = this.options;
    await paced((pace) => checkDocument(value, maxDocumentBytes, pace));
    if (!history) return () => unlessThere(contexts.set(id, value, { expected: { kind: 'absent' }, ttl }));
    const commits = await paced((pace) => importedCommits(packed, clock(), pace));
    return async () => ((await contexts.adopt(id, commits)) ? packed.position : undefined);
  }

  async #pack(id: string, history: boolean, pace: Pace): Promise<ExportedLife>;
  async #pack(id: string, history: boolean, pace: Pace, evenExpired: true): Promise<ExportedLife | null>;
  async #pack(id: string, history: boolean, pace: Pace, evenExpired = false): Promise<ExportedLife | null> {
    const { store, contexts, clock } = this.options;
    for (let read = 1; read <= READS_MAX; read++) {
      const stored = await store.load(id);
      if (!stored && evenExpired) return null;
      if (!stored || (!evenExpired && contexts.isGone(stored.head))) throw notFound(id);
      // Members whose time is over are removed first, unless the context itself is about to go.
      if (!evenExpired && contexts.hasDue(stored.head)) {
        await contexts.endMembers(id);
        continue;
      }
      const { position, createdAt, updatedAt, expiry } = stored.head;
      const records = history ? await this.#records(id, stored.head, pace) : undefined;
      if (records === 'moved') continue;
      const document = new LaneDocument();
      document.load(stored);
      if (document.lacks('value')) await document.prepare('value');
      const value = document.value();
      await pace.spend(stored.head.weight);
      const times = { exportedAt: clock(), createdAt, updatedAt, ttl: expiry?.ttl };
      return { id, position, ...times, value, history: records };
    }
    throw new ChordError('UNAVAILABLE', `the context changes faster than it can be read; try again`, { contextId: id });
  }

  /**
   * The newest retained records up to this head, each of one version, at most HISTORY_BYTES_MAX but at least one record; `moved` where the
   * records are no longer those of this head.
   */
  async #records(id: string, head: Head, pace: Pace): Promise<readonly LogRecord[] | 'moved'> {
    const { version } = head.position;
    const records: LogRecord[] = [];
    let bytes = 0;
    const first = await this.options.store.deltas(id, 0, 1);
    let after = first.kind === 'truncated' ? first.oldest - 1 : 0;
    while (after < version) {
      const read = await this.options.store.deltas(id, after, version - after, PAGE_BYTES);
      if (read.kind === 'truncated' || read.records.length === 0) return 'moved';
      // Exports have no merged records: they begin behind the last one.
      const plain = read.records.slice(read.records.findLastIndex(({ merged }) => merged) + 1);
      if (plain.length < read.records.length) records.length = bytes = 0;
      records.push(...plain);
      after = read.records.at(-1)?.position.version as number;
      const added = bytesOf(plain);
      bytes += added;
      let dropped = 0;
      for (; bytes > HISTORY_BYTES_MAX && dropped < records.length - 1; dropped++)
        bytes -= bytesOf([records[dropped]!]);
      records.splice(0, dropped);
      await pace.spend(bytesOf(read.records));
    }
    const last = records.at(-1);
    return !last || samePosition(last.position, head.position) ? records : 'moved';
  }

  async #counted<T>(operation: 'export' | 'restore', work: Promise<T>): Promise<T> {
    const counts = this.counts[operation];
    try {
      const done = await work;
      if (done !== null) counts.ok++;
      return done;
    } catch (error) {
      counts.failed++;
      throw error;
    }
  }

  #provider(): Provider {
    const { provider } = this.options;
    if (provider) return provider;
    throw new ChordError('FAILED_PRECONDITION', 'no external store is configured: set exportUrl');
  }

  async #call<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { timeout } = this.options;
    const controller = new AbortController();
    let cutOff: (error: ChordError) => void = () => {};
    const ended = new Promise<never>((_, reject) => {
      cutOff = (error) => {
        reject(error);
        controller.abort();
      };
    });
    const late = new ChordError('DEADLINE_EXCEEDED', `the external store did not answer within ${timeout} ms`);
    const timer = setTimeout(cutOff, timeout, late);
    this.#calls.add(cutOff);
    try {
      return await Promise.race([call(controller.signal), ended]);
    } catch (error) {
      if (error instanceof ChordError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new ChordError('UNAVAILABLE', `the external store failed: ${why}`, { cause: error });
    } finally {
      clearTimeout(timer);
      this.#calls.delete(cutOff);
    }
  }
}

async function toSave(packed: ExportedLife, pace: Pace) {
  const { id, position, exportedAt } = packed;
  return { id, position, exportedAt, text: await toText(packed, pace) };
}

function summary({ id, exportedAt, history = [] }: ExportedLife, position: Position): Transferred {
  // Unless it is version 1, the first record of a history only holds the position at which the second one starts.
  const deltas = history[0]?.position.version === 1 ? history.length : Math.max(0, history.length - 1);
  return { id, position, deltas, exportedAt };
}

async function checkDocument(value: JsonObject, weightMax: number, pace: Pace): Promise<void> {
  const weight = weigh(value);
  if (weight > weightMax) {
    throw new ChordError('RESOURCE_EXHAUSTED', `the document takes ${weight} bytes, the limit is ${weightMax}`);
  }
  await inSteps(encodeStructInSteps(value), pace); // throws where the value is no valid document
}

async function unlessThere(written: Promise<{ readonly position?: Position | undefined }>) {
  try {
    return (await written).position;
  } catch (error) {
    if (error instanceof ChordError && error.reason === 'ABORTED') return undefined;
    throw error;
  }
}
