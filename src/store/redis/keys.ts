/**
 * The keys of the Redis layout. A context belongs to one of 256 partitions, by a hash of its id; all keys of a partition
 * carry the same hash tag, so that on a cluster they share a slot and one script may use them all.
 *
 *     chord:format               the name Chord, and the version of this layout
 *     chord:lease:<name>         the holder of a lease, which only one server may have
 *     chord:{17.1}:c:<id>        hash: at, nonce, head, used, expiry, snapshot, snapshotVersion; thin (the number of records in t)
 *                                and next (of the index of ages), where it was thinned; turn (scripts/), now and then
 *     chord:{17.1}:l:<id>        stream: the log; entry `<version>-0` has n (nonce), r (record), t (its time)
 *     chord:{17.1}:t:<id>        sorted set: what was taken from the front of the log to thin it; records by version
 *     chord:{17.1}:x:<id>        the nonce of a removal, for a minute
 *     chord:{17.1}:m:<id>        hash: the members that expire, by number, as record-format.ts says
 *     chord:{17.1}:ids           sorted set, all scores 0: the ids in byte order
 *     chord:{17.1}:expiry        sorted set: ids by when they expire; so are idle, age, length and members (store.ts, Index)
 *     chord:{17.1}:answers       hash: remembered requests, with when they were made and what they were answered
 *     chord:{17.1}:asked         sorted set: those that earlier releases remembered, by when they were made
 *     chord:{17.1}:groups        stream: the last commits of several contexts at once (batch.ts)
 *
 * Where an id has a part in braces, that part alone is hashed, as Redis does with keys: so contexts can be placed in one
 * partition. In format 1 the whole id is always hashed; data that began with format 1 stay in it.
 *
 * Channels have the names of the keys whose changes they report: `c:<id>` for one context, `ids` for a partition.
 *
 * Why 256: a page of a list reads every partition, so more partitions cost more; fewer would not spread over many
 * servers. The tags are chosen so that partition p lies in slots 64 p to 64 p + 63: where servers have equal ranges of
 * slots, up to 256 servers get equal shares.
 */
import { crc32 } from 'node:zlib';
import type { Index } from '../store.js';

export const PARTITIONS = 256;
export const SLOTS = 16_384;
const SLOTS_EACH = SLOTS / PARTITIONS;

const TAGS = Array.from({ length: PARTITIONS }, (_, partition) => {
  for (let n = 0; ; n++) {
    const tag = `${partition}.${n}`;
    if (Math.floor(slotOf(tag) / SLOTS_EACH) === partition) return tag;
  }
});

export class Partition {
  readonly slot: number;
  readonly ids: string;
  readonly asked: string;
  readonly answers: string;
  readonly groups: string;
  private readonly base: string;

  constructor(prefix: string, number: number) {
    this.base = `${prefix}{${TAGS[number]}}:`;
    this.slot = slotOf(TAGS[number] as string);
    this.ids = `${this.base}ids`;
    this.asked = `${this.base}asked`;
    this.answers = `${this.base}answers`;
    this.groups = `${this.base}groups`;
  }

  index(name: Index): string {
    return `${this.base}${name}`;
  }

  context(id: string): string {
    return `${this.base}c:${id}`;
  }

  log(id: string): string {
    return `${this.base}l:${id}`;
  }

  thinned(id: string): string {
    return `${this.base}t:${id}`;
  }

  members(id: string): string {
    return `${this.base}m:${id}`;
  }

  removed(id: string): string {
    return `${this.base}x:${id}`;
  }
}

export class RedisKeys {
  readonly format: string;
  readonly partitions: readonly Partition[];

  /** `prefix` must not contain braces. `tags`: a part of an id in braces decides its partition. */
  constructor(
    private readonly prefix: string,
    private readonly tags = true,
  ) {
    this.format = `${prefix}format`;
    this.partitions = TAGS.map((_, number) => new Partition(prefix, number));
  }

  lease(name: string): string {
    return `${this.prefix}lease:${name}`;
  }

  setting(name: string): string {
    return `${this.prefix}setting:${name}`;
  }

  partitionOf(id: string): Partition {
    return this.partitions[crc32(this.tags ? tagOf(id) : id) % PARTITIONS] as Partition;
  }

  /** The ids that are in another partition than the first id. */
  apart(ids: readonly string[]): string[] {
    const [first] = ids;
    return first === undefined ? [] : ids.filter((id) => this.partitionOf(id) !== this.partitionOf(first));
  }
}

/** The text between the first opening brace and the next closing one, where it is not empty; else the whole id. */
function tagOf(id: string): string {
  const start = id.indexOf('{');
  const end = start < 0 ? -1 : id.indexOf('}', start);
  return end > start + 1 ? id.slice(start + 1, end) : id;
}

/** The slot of a key without hash tag: CRC-16/XMODEM, as the cluster specification says. */
export function slotOf(key: string): number {
  let crc = 0;
  for (const byte of Buffer.from(key)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc % SLOTS;
}
