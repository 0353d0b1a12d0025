/**
 * Commits and removals, and the requests that they remember.
 *
 * Positions do not identify a write: two servers that make the same change from the same position reach the same
 * digest. So each write carries a nonce of its own. By it a write that is sent again after an interruption is
 * recognised; and a write that was sent before its predecessor was answered names that one's nonce, so that it
 * never builds upon another server's double.
 */
import { randomBytes } from 'node:crypto';
import { ChordError } from '../errors.js';
import { Histogram } from '../histogram.js';
import { type Position, samePosition, usedAt } from '../model.js';
import { INDEXES } from './due.js';
import { decodeHead, decodeRequest, encodeHead, encodeRecord, encodeRequest } from './records.js';
import type { Keys } from './redis-keys.js';
import type { Argument } from './redis-link.js';
import { encodeNotice } from './redis-notices.js';
import { headOf } from './redis-reads.js';
import { COMMIT, REMOVE, type Script } from './redis-scripts.js';
import type { Shards } from './redis-shards.js';
import type { Commit, Outcome, Removal, Request } from './store.js';

/** A write that was sent and not answered yet. */
interface Write {
  readonly nonce: string;
  /** Where the context stands after it; null: it does not exist. Undefined: where it stood before. */
  readonly leadsTo: Position | null | undefined;
}

const NONCE_LENGTH = 20;
const GIVEN_UP_MAX = 10_000;

export class Writes {
  /** Of this store alone; with a counter behind it, a nonce. */
  readonly name = randomBytes(9).toString('base64url');
  #count = 0;
  /** By context id, in the order in which they were sent. */
  readonly #underWay = new Map<string, Write[]>();
  /** Nonces of writes whose fate was never learned: what Redis tells of them is news. */
  readonly #givenUp = new Set<string>();
  /** Sent, and not answered yet. */
  waiting = 0;
  readonly commitSeconds = new Histogram(0.0001, 17);

  constructor(
    private readonly shards: Shards,
    private readonly keys: Keys,
  ) {}

  commit({ id, expected, head, payload, snapshot, request }: Commit): Promise<Outcome> {
    const nonce = this.#nextNonce();
    const { position, expiry } = head;
    const { epoch, version } = position;
    const record = payload && { position, at: head.updatedAt, changes: payload.changes, olds: payload.olds };
    const steps = record !== undefined || expected === null;
    const notice = record ? { from: expected } : { moved: true as const };
    // What makes no new version is no step that others build upon.
    return this.#write(COMMIT, id, expected, { nonce, leadsTo: steps ? position : undefined }, request, {
      ...{ at: text(position), epoch, version, head: encodeHead({ head }), used: usedAt(head) },
      ...(record && { record: encodeRecord(record), time: record.at }),
      ...(snapshot && { snapshot }),
      ...(expiry && { expiry: expiry.at }),
      ...(steps && { notice: encodeNotice({ id, by: nonce, ...notice }) }),
    });
  }

  remove({ id, expected, reason, expiry, usedAt: used, request }: Removal): Promise<Outcome> {
    const nonce = this.#nextNonce();
    return this.#write(REMOVE, id, expected, { nonce, leadsTo: null }, request, {
      epoch: expected.epoch,
      notice: encodeNotice({ id, by: nonce, removed: reason, position: expected }),
      ...(expiry && { expiry_seen: expiry.at }),
      ...(used !== undefined && { used_seen: used }),
    });
  }

  async recall(id: string, requestId: string): Promise<Request | null> {
    const { slot, answers } = this.keys.partitionOf(id);
    const call = ['hget', answers, requestField(id, requestId)] as const;
    const bytes = (await this.shards.call(slot, () => call)) as Buffer | null;
    return bytes && decodeAnswer(bytes, id);
  }

  /** Whether a write is this store's, and its caller has heard of it or will. */
  isOwn(nonce: string): boolean {
    return nonce.startsWith(this.name) && !this.#givenUp.delete(nonce);
  }

  async #write(
    script: Script,
    id: string,
    expected: Position | null,
    write: Write,
    request: Request | undefined,
    fields: Readonly<Record<string, Argument>>,
  ): Promise<Outcome> {
    const partition = this.keys.partitionOf(id);
    const keys = [partition.context(id), partition.log(id), partition.removed(id), partition.ids];
    keys.push(...INDEXES.map((index) => partition.index(index)));
    if (request) keys.push(partition.asked, partition.answers);
    const after = this.#underWay.get(id)?.findLast(({ leadsTo }) => same(leadsTo, expected))?.nonce;
    const args = Object.entries({
      nonce: write.nonce,
      id,
      expected: expected ? text(expected) : '',
      ...fields,
      ...(after && { after }),
      ...(request && { request: requestField(id, request.id), answer: encodeRequest(request), asked_at: request.at }),
    }).flat();
    const answer = this.shards.call(partition.slot, (resent) => {
      return { script, keys, args: resent ? [...args, 'resent', '1'] : args };
    });
    this.#sent(id, write);
    const began = performance.now();
    try {
      const said = (await answer) as Buffer[];
      this.commitSeconds.observe((performance.now() - began) / 1000);
      return outcome(id, said);
    } catch (error) {
      this.#giveUp(write.nonce);
      throw error;
    } finally {
      this.#settled(id, write);
    }
  }

  #nextNonce(): string {
    return this.name + (this.#count++).toString(36).padStart(NONCE_LENGTH - this.name.length, '0');
  }

  #sent(id: string, write: Write): void {
    this.waiting++;
    const writes = this.#underWay.get(id);
    if (writes) writes.push(write);
    else this.#underWay.set(id, [write]);
  }

  #settled(id: string, write: Write): void {
    this.waiting--;
    const writes = this.#underWay.get(id) as Write[];
    writes.splice(writes.indexOf(write), 1);
    if (writes.length === 0) this.#underWay.delete(id);
  }

  #giveUp(nonce: string): void {
    this.#givenUp.add(nonce);
    const [oldest] = this.#givenUp;
    if (this.#givenUp.size > GIVEN_UP_MAX) this.#givenUp.delete(oldest as string);
  }
}

function outcome(id: string, [kind, bytes]: readonly Buffer[]): Outcome {
  switch (String(kind)) {
    case 'committed':
      return { kind: 'committed' };
    case 'duplicate':
      return { kind: 'duplicate', first: decodeAnswer(bytes as Buffer, id) };
    case 'conflict':
      return { kind: 'conflict', head: bytes?.length ? decodeHead(bytes, headOf(id)).head : null };
    default:
      throw new ChordError('UNAVAILABLE', 'the connection to Redis broke: the write may or may not have happened', {
        contextId: id,
      });
  }
}

function decodeAnswer(bytes: Buffer, id: string): Request {
  return decodeRequest(bytes.subarray(NONCE_LENGTH), `a request of context "${id}"`);
}

/** The length of the id comes first, so that no two pairs make the same name. */
function requestField(id: string, requestId: string): string {
  return `${id.length}:${id}${requestId}`;
}

/** A position as the scripts compare it. */
function text({ epoch, version, digest }: Position): string {
  return `${version}:${epoch}:${digest}`;
}

function same(a: Position | null | undefined, b: Position | null): boolean {
  return a && b ? samePosition(a, b) : a === b;
}
