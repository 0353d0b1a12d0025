/**
 * The commits of other servers, by sharded pub/sub: one subscription for each context that is watched here, and one for
 * each partition while any prefix is watched. Subscriptions are at the master of the channel's slot, on a connection of
 * their own.
 *
 * Messages are hints: they are lost when a connection breaks or a slot moves. Then a `gap` causes a check of all watched
 * contexts; and such a check also runs at intervals.
 */
import { Redis } from 'ioredis';
import { ChordError } from '../../model/errors.js';
import type { Feed, FeedEvent } from '../store.js';
import type { RedisBatches } from './batch.js';
import type { Cluster } from './cluster.js';
import type { Connection } from './connection.js';
import type { RedisKeys } from './keys.js';
import { decodeMessage } from './messages.js';

export interface FeedOptions {
  readonly cluster: Cluster;
  readonly keys: RedisKeys;
  readonly batches: RedisBatches;
  /** Whether a write is of this server and is, or will be, published by its answer. */
  readonly isOwn: (nonce: string) => boolean;
  /** The interval between checks of all watched contexts, in milliseconds. */
  readonly checkInterval: number;
  /** The timeout of a subscription, in milliseconds. */
  readonly timeout: number;
}

interface Channel {
  readonly name: string;
  readonly slot: number;
  /** The connection on which the channel is subscribed, or being subscribed. */
  subscriber: SubscriberConnection | undefined;
  live: boolean;
  waiting: (() => void)[];
}

const RETRY_EVERY = 250;
/** The number of steps in which all watched contexts are checked. */
const ROUND = 30;

export class RedisFeed implements Feed {
  readonly #options: FeedOptions;
  readonly #channels = new Map<string, Channel>();
  readonly #ids = new Set<string>();
  readonly #prefixes = new Set<string>();
  readonly #subscribers = new Map<Connection, SubscriberConnection>();
  readonly #timer: NodeJS.Timeout;
  /** The current round of checks: its step, and the ids that are still to be checked. */
  #step = 0;
  #toCheck: string[] = [];
  #listener: (event: FeedEvent) => void = () => {};
  #closed = false;
  #confirming: Promise<void> | undefined;
  #confirmNext: Promise<void> | undefined;
  /** Logs of batches that are being read. */
  readonly #reading = new Set<Promise<void>>();
  #interruptions = 0;
  /** While the channels of all partitions are joined. */
  #joiningAll: Promise<void> | undefined;

  constructor(options: FeedOptions) {
    this.#options = options;
    options.cluster.listeners.push(() => this.#place());
    this.#timer = setInterval(() => this.#checkSome(), options.checkInterval / ROUND).unref();
  }

  listen(listener: (event: FeedEvent) => void): void {
    this.#listener = listener;
  }

  watchId(id: string): Promise<void> {
    this.#ids.add(id);
    const partition = this.#options.keys.partitionOf(id);
    return this.#subscribe(partition.context(id), partition.slot);
  }

  unwatchId(id: string): void {
    if (this.#ids.delete(id)) this.#unsubscribe(this.#options.keys.partitionOf(id).context(id));
  }

  /** All watchers of prefixes need the same channels, of every partition: those that wait share one answer. */
  watchPrefix(prefix: string): Promise<void> {
    this.#prefixes.add(prefix);
    if (this.#joiningAll !== undefined) return this.#joiningAll;
    const joined = this.#options.keys.partitions.map(({ ids, slot }) => this.#subscribe(ids, slot));
    const joining = Promise.all(joined)
      .then(() => {})
      .finally(() => {
        if (this.#joiningAll === joining) this.#joiningAll = undefined;
      });
    this.#joiningAll = joining;
    return joining;
  }

  unwatchPrefix(prefix: string): void {
    if (!this.#prefixes.delete(prefix) || this.#prefixes.size > 0) return;
    this.#joiningAll = undefined;
    for (const { ids } of this.#options.keys.partitions) this.#unsubscribe(ids);
  }

  /** Whether several contexts are watched here, so that a reader might receive one of a batch without the others. */
  get watchesSeveral(): boolean {
    return this.#prefixes.size > 0 || this.#ids.size > 1;
  }

  tellBatch(ids: readonly string[]): void {
    const watched = ids.filter((id) => this.#ids.has(id) || this.#matches(id));
    if (watched.length > 0 && !this.#closed) this.#listener({ kind: 'batch', ids: watched });
  }

  /** Calls that come while one is being answered share the next one: all watchers ask. */
  confirm(): Promise<void> {
    this.#confirmNext ??= (async () => {
      await this.#confirming?.catch(() => {});
      this.#confirming = this.#confirmNext;
      this.#confirmNext = undefined;
      await this.#confirm();
    })();
    return this.#confirmNext;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const subscriber of this.#subscribers.values()) subscriber.close();
    this.#channels.clear();
  }

  /** What Redis published before it answers a ping has come before the answer. */
  async #confirm(): Promise<void> {
    const interrupted = this.#interruptions;
    await Promise.all([...this.#subscribers.values()].map((subscriber) => subscriber.ping()));
    await Promise.all(this.#reading);
    const all = [...this.#channels.values()].every(({ live }) => live);
    if (!all || interrupted !== this.#interruptions) throw unavailable();
  }

  #subscribe(name: string, slot: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable());
    let channel = this.#channels.get(name);
    if (!channel) {
      channel = { name, slot, subscriber: undefined, live: false, waiting: [] };
      this.#channels.set(name, channel);
      this.#placeOne(channel);
    }
    const { live, waiting } = channel;
    if (live) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(() => reject(unavailable()), this.#options.timeout);
      waiting.push(() => {
        clearTimeout(timeout);
        resolve();
      });
    });
  }

  #unsubscribe(name: string): void {
    const channel = this.#channels.get(name);
    if (!channel) return;
    this.#channels.delete(name);
    channel.subscriber?.drop(channel.name);
    for (const done of channel.waiting.splice(0)) done();
  }

  /** Slots or connections may have changed: moves every channel to the server that has its slot now. */
  #place(): void {
    if (this.#closed) return;
    for (const channel of this.#channels.values()) this.#placeOne(channel);
    const used = new Set(this.#options.cluster.connections);
    for (const [connection, subscriber] of this.#subscribers) {
      if (used.has(connection)) continue;
      this.#subscribers.delete(connection);
      subscriber.close();
    }
  }

  #placeOne(channel: Channel): void {
    const subscriber = this.#subscriberFor(this.#options.cluster.linkOf(channel.slot));
    if (channel.subscriber === subscriber) return;
    const moves = channel.subscriber !== undefined;
    channel.subscriber?.drop(channel.name);
    channel.subscriber = subscriber;
    channel.live = false;
    void this.#join(channel, subscriber).then(() => {
      if (moves && channel.live) this.#interrupted();
    });
  }

  async #join(channel: Channel, subscriber: SubscriberConnection): Promise<void> {
    const joined = await subscriber.add(channel.name);
    if (channel.subscriber !== subscriber || channel.live || this.#channels.get(channel.name) !== channel) return;
    if (!joined) {
      setTimeout(() => channel.subscriber === subscriber && void this.#join(channel, subscriber), RETRY_EVERY).unref();
      return;
    }
    channel.live = true;
    for (const done of channel.waiting.splice(0)) done();
  }

  #subscriberFor(connection: Connection): SubscriberConnection {
    let subscriber = this.#subscribers.get(connection);
    if (!subscriber) {
      subscriber = new SubscriberConnection(
        new Redis({ ...connection.redis.options, lazyConnect: false }),
        (channel, message) => this.#heard(channel, message),
        () => void this.#rejoin(subscriber as SubscriberConnection),
        () => void this.#options.cluster.refresh(),
      );
      this.#subscribers.set(connection, subscriber);
    }
    return subscriber;
  }

  /** The connection is new: it has no subscriptions, and messages during the interruption are lost. */
  async #rejoin(subscriber: SubscriberConnection): Promise<void> {
    const channels = [...this.#channels.values()].filter((channel) => channel.subscriber === subscriber);
    const missed = channels.some(({ live }) => live);
    if (missed) this.#interruptions++;
    for (const channel of channels) channel.live = false;
    await Promise.all(channels.map((channel) => this.#join(channel, subscriber)));
    if (missed) this.#interrupted();
  }

  #heard(channel: string, message: Buffer): void {
    const told = decodeMessage(message);
    if (!told || this.#options.isOwn(told.by)) return;
    const { id } = told.event;
    const partition = this.#options.keys.partitionOf(id);
    if (told.event.kind === 'batch' && !this.watchesSeveral) {
      const [only] = this.#ids;
      if (only !== undefined && channel === this.#options.keys.partitionOf(only).context(only)) {
        this.#listener({ kind: 'moved', id: only });
      }
      return;
    }
    if (told.event.kind === 'batch') {
      // Should this not be possible now, the gap at the end of the interruption has everything looked at.
      const reading = this.#options.batches.heard(partition, told.by).catch(() => void this.#interruptions++);
      this.#reading.add(reading);
      void reading.then(() => this.#reading.delete(reading));
      return;
    }
    if (channel === partition.ids && (this.#ids.has(id) || !this.#matches(id))) return;
    this.#listener(told.event);
  }

  #matches(id: string): boolean {
    for (const prefix of this.#prefixes) if (id.startsWith(prefix)) return true;
    return false;
  }

  /** Checks a part of the watched contexts at a time, so that the check never comes as a burst; all prefixes at once. */
  #checkSome(): void {
    if (this.#toCheck.length === 0 && this.#step === 0) this.#toCheck = [...this.#ids];
    for (const id of this.#toCheck.splice(0, Math.ceil(this.#toCheck.length / (ROUND - this.#step)))) {
      if (this.#ids.has(id)) this.#listener({ kind: 'moved', id });
    }
    this.#step = (this.#step + 1) % ROUND;
    if (this.#step > 0) return;
    for (const subscriber of this.#subscribers.values()) subscriber.probe();
    void this.#options.cluster.refresh();
    if (this.#prefixes.size > 0) this.#gap();
  }

  /** Redis may even have lost data. */
  #interrupted(): void {
    this.#options.batches.forget();
    this.#gap();
  }

  #gap(): void {
    if (!this.#closed) this.#listener({ kind: 'gap' });
  }
}

/** A connection for subscriptions only. */
class SubscriberConnection {
  #ready = false;
  #closed = false;

  constructor(
    private readonly redis: Redis,
    heard: (channel: string, message: Buffer) => void,
    connected: () => void,
    misplaced: () => void,
  ) {
    redis.on('smessageBuffer', (channel: Buffer, message: Buffer) => heard(channel.toString(), message));
    redis.on('ready', () => {
      this.#ready = true;
      connected();
    });
    redis.on('close', () => {
      this.#ready = false;
    });
    redis.on('end', () => setTimeout(() => this.#connect(), RETRY_EVERY).unref());
    redis.on('moved', misplaced);
    redis.on('error', (error: Error) => {
      // A subscription ended without a request, for example because its slot moved away.
      if (!error.message.startsWith('Command queue state error')) return;
      misplaced();
      this.#restart();
    });
  }

  /** Whether the channel is now subscribed. If not, the next `connected` or move of its slot causes another try. */
  async add(channel: string): Promise<boolean> {
    if (!this.#ready) return false;
    return this.redis.ssubscribe(channel).then(
      () => true,
      () => {
        this.probe();
        return false;
      },
    );
  }

  drop(channel: string): void {
    if (this.#ready) this.redis.sunsubscribe(channel).catch(() => {});
  }

  /** Closes a connection that is open but dead. */
  probe(): void {
    if (this.#ready) this.ping().catch(() => {});
  }

  /** Resolves behind everything that was published before. */
  async ping(): Promise<void> {
    if (!this.#ready) throw unavailable();
    try {
      await this.redis.ping();
    } catch (error) {
      this.#restart();
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    this.#ready = false;
    this.redis.disconnect();
  }

  #restart(): void {
    if (!this.#ready) return;
    this.#ready = false;
    this.redis.disconnect(true);
  }

  #connect(): void {
    if (!this.#closed) this.redis.connect().catch(() => {}); // ioredis tries again
  }
}

function unavailable(): ChordError {
  return new ChordError('UNAVAILABLE', 'Redis is away: cannot subscribe to changes', { retryAfter: 1000 });
}
