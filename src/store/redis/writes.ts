/**
 * Commits and removals, and the requests that they store.
 *
 * Positions do not identify a write: two servers that make the same change from the same position reach the same digest.
 * So each write carries a nonce of its own. The nonce identifies a write that is sent again after an interruption; and a
 * write that is sent before its predecessor is answered names the predecessor's nonce, so that it never depends on an
 * identical write of another server.
 */
import { randomBytes } from 'node:crypto';
import { ChordError } from '../../model/errors.js';
import { Histogram } from '../../model/histogram.js';
import { type Head, type Position, samePosition, usedAt } from '../../model/model.js';
import {
  decodeHead,
  decodeRequest,
  encodeHead,
  encodeMember,
  encodeRecord,
  encodeRequest,
  headOf,
  isFormerRequest,
} from '../record-format.js';
import { INDEXES } from '../retention-index.js';
import type { BatchOperation, BatchOutcome, Commit, Outcome, Removal, Request } from '../store.js';
import type { Cluster } from './cluster.js';
import type { Argument } from './connection.js';
import type { Partition, RedisKeys } from './keys.js';
import { encodeMessage } from './messages.js';
import { COMMIT, EXPIRE, GROUP, REMOVE, type Script } from './scripts/contexts.js';

/** A write that was sent and is not answered yet. */
interface Write {
  readonly nonce: string;
  /** The position after the write; null: the context does not exist then. Undefined: the position is unchanged. */
  readonly leadsTo: Position | null | undefined;
}

export const NONCE_LENGTH = 20;
const GIVEN_UP_MAX = 10_000;
/** Batches kept per partition, for servers that read the log late. */
const GROUPS_KEPT = 200;

export class RedisWrites {
  /** Unique to this store; with a counter appended, a nonce. */
  readonly name = randomBytes(9).toString('base64url');
  #count = 0;
  /** By context id, in the order of sending. */
  readonly #underWay = new Map<string, Write[]>();
  /** Nonces of writes whose outcome stayed unknown: messages of Redis about them are news. */
  readonly #givenUp = new Set<string>();
  /** Sent, and not answered yet. */
  waiting = 0;
  readonly commitSeconds = new Histogram(0.0001, 17);
  /** Whether there may be requests that an earlier release remembered. */
  former = true;

  constructor(
    private readonly cluster: Cluster,
    private readonly keys: RedisKeys,
  ) {}

  commit(commit: Commit): Promise<Outcome> {
    const { id, expected, payload } = commit;
    const nonce = this.#nextNonce();
    const moved = payload ? { from: expected } : { moved: true as const };
    const message = stepOf(commit) !== undefined && { message: encodeMessage({ id, by: nonce, ...moved }) };
    const script = commit.cause === 'expired' ? EXPIRE : COMMIT;
    return this.#write(script, commit, nonce, { ...this.#arguments(commit, nonce), ...message });
  }

  remove(removal: Removal): Promise<Outcome> {
    const { id, expected, reason } = removal;
    const nonce = this.#nextNonce();
    const message = expected && { message: encodeMessage({ id, by: nonce, removed: reason, position: expected }) };
    return this.#write(REMOVE, removal, nonce, { ...this.#arguments(removal, nonce), ...message });
  }

  async commitBatch(operations: readonly BatchOperation[]): Promise<BatchOutcome> {
    const ids = operations.map(({ id }) => id);
    const apart = this.keys.apart(ids);
    if (apart.length > 0) throw new ChordError('FAILED_PRECONDITION', `${apart.join(', ')} are in other partitions`);
    const [{ id: first }] = operations as readonly [BatchOperation];
    const partition = this.keys.partitionOf(first);
    const nonce = this.#nextNonce();
    const moving = operations.filter((act) => stepOf(act) !== undefined).map(({ id }) => id);
    const message = moving.length > 0 ? encodeMessage({ id: moving[0] as string, by: nonce, group: true }) : '';
    const keys = [partition.groups, ...sharedKeys(partition), partition.answers];
    for (const { id } of operations) keys.push(...ownKeys(partition, id));
    const fields = operations.map((act) => this.#arguments(act, nonce));
    const answer = this.cluster.call(partition.slot, (resent) => {
      const args = operations.flatMap((act, i) => {
        const kind = 'head' in act ? 'write' : 'reason' in act ? 'drop' : 'check';
        const own = Object.entries({ ...fields[i], ...(resent && kind !== 'check' && { resent: '1' }) }).flat();
        return [kind, moving.includes(act.id) ? 1 : 0, own.length, ...own];
      });
      return { script: GROUP, keys, args: [nonce, JSON.stringify(moving), message, GROUPS_KEPT, ...args] };
    });
    const [kind, ...parts] = await this.#answered(operations, nonce, answer);
    if (String(kind) !== 'conflict')
      return outcome(first, [kind as Buffer, ...parts], requestIn(operations)) as BatchOutcome;
    const heads = new Map<string, Head | null>();
    for (let i = 0; i < parts.length; i += 2) {
      const id = String(parts[i]);
      const { head } = outcome(id, [kind as Buffer, parts[i + 1] as Buffer]) as { head: Head | null };
      heads.set(id, head);
    }
    return { kind: 'conflict', heads };
  }

  async recall(id: string, requestId: string, formerId = requestId): Promise<Request | null> {
    const { slot, answers } = this.keys.partitionOf(id);
    const names = [requestId, formerId];
    const call = ['hmget', answers, ...names.map((name) => requestField(id, name))] as const;
    const [bytes, former] = (await this.cluster.call(slot, () => call)) as [Buffer | null, Buffer | null];
    if (bytes) return decodeAnswer(bytes, id, requestId);
    return former && isFormerRequest(former.subarray(NONCE_LENGTH)) ? decodeAnswer(former, id, formerId) : null;
  }

  /** Whether a write is of this store, and its caller got or will get the answer. */
  isOwn(nonce: string): boolean {
    return nonce.startsWith(this.name) && !this.#givenUp.has(nonce);
  }

  /** The arguments that the scripts need for an operation, without those that only a single operation has. */
  #arguments(act: BatchOperation, nonce: string): Record<string, Argument> {
    const { id, expected } = act;
    const after = this.#underWay.get(id)?.findLast(({ leadsTo }) => same(leadsTo, expected))?.nonce;
    const args = { nonce, id, expected: expected ? positionText(expected) : '', ...(after && { after }) };
    if (!('head' in act || 'reason' in act)) return args;
    const { request } = act;
    return {
      ...args,
      ...('head' in act ? commitArguments(act) : removalArguments(act)),
      ...(request && { request: requestField(id, request.id), answer: encodeRequest(request) }),
      ...(this.former && request?.formerId && { former: requestField(id, request.formerId) }),
    };
  }

  #write(script: Script, act: Commit | Removal, nonce: string, fields: Record<string, Argument>): Promise<Outcome> {
    const { id, request } = act;
    const partition = this.keys.partitionOf(id);
    const keys = [...ownKeys(partition, id), ...sharedKeys(partition)];
    if (request) keys.push(partition.answers);
    const args = Object.entries(fields).flat();
    const answer = this.cluster.call(partition.slot, (resent) => {
      return { script, keys, args: resent ? [...args, 'resent', '1'] : args };
    });
    return this.#answered([act], nonce, answer).then((reply) => outcome(id, reply, request));
  }

  /** The answer of Redis; until then these operations are in flight. */
  async #answered(
    operations: readonly BatchOperation[],
    nonce: string,
    answer: Promise<unknown>,
  ): Promise<readonly Buffer[]> {
    const writes = operations.map((act) => ({ id: act.id, write: { nonce, leadsTo: stepOf(act) } }));
    for (const { id, write } of writes) this.#sent(id, write);
    const began = performance.now();
    try {
      const said = (await answer) as Buffer[];
      this.commitSeconds.observe((performance.now() - began) / 1000);
      return said;
    } catch (error) {
      this.#giveUp(nonce);
      throw error;
    } finally {
      for (const { id, write } of writes) this.#settled(id, write);
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

/** The position on which later operations depend: an operation without a new version changes none. */
function stepOf(act: BatchOperation): Position | null | undefined {
  if ('reason' in act) return act.expected ? null : undefined;
  return 'head' in act && (act.payload || act.expected === null) ? act.head.position : undefined;
}

function commitArguments(commit: Commit): Record<string, Argument> {
  const { head, payload, snapshot, stamp } = commit;
  const { position, expiry, updatedAt } = head;
  const { changes, olds } = payload ?? {};
  const { cause, provenance } = commit;
  const record = changes && olds && { position, at: updatedAt, changes, olds, cause, provenance };
  return {
    ...{ at: positionText(position), epoch: position.epoch, version: position.version },
    ...{ head: encodeHead({ head }), used: usedAt(head) },
    ...(record && { record: encodeRecord(record), time: record.at }),
    ...(snapshot && { snapshot }),
    ...(expiry && { expiry: expiry.at }),
    ...((stamp !== undefined || head.members) && memberArguments(commit)),
  };
}

function memberArguments({ head, stamp, members }: Commit): Record<string, Argument> {
  return {
    ...(stamp !== undefined && { stamp_seen: bytesOf(stamp) }),
    ...(head.members && { due: head.members.due }),
    ...(head.members?.stamp === stamp && { renews: '1' }),
    ...(members?.set.length && { set: JSON.stringify(members.set.map((each) => [each.number, encodeMember(each)])) }),
    ...(members?.ended.length && {
      ended: JSON.stringify(members.ended.map(({ number, at }) => (at === undefined ? [number] : [number, at]))),
    }),
  };
}

/** A stamp in the form that the scripts compare. */
function bytesOf(stamp: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(stamp);
  return bytes;
}

function removalArguments({ expected, expiry, usedAt: used }: Removal): Record<string, Argument> {
  return {
    epoch: expected?.epoch ?? '',
    ...(expiry && { expiry_seen: expiry.at }),
    ...(used !== undefined && { used_seen: used }),
  };
}

function ownKeys(partition: Partition, id: string): string[] {
  return [partition.context(id), partition.log(id), partition.removed(id), partition.members(id)];
}

function sharedKeys(partition: Partition): string[] {
  return [partition.ids, ...INDEXES.map((index) => partition.index(index))];
}

function requestIn(operations: readonly BatchOperation[]): Request | undefined {
  for (const act of operations) if ('request' in act) return act.request;
  return undefined;
}

function outcome(id: string, [kind, bytes]: readonly Buffer[], request?: Request): Outcome {
  switch (String(kind)) {
    case 'committed':
      return { kind: 'committed' };
    case 'duplicate':
      return { kind: 'duplicate', first: decodeDuplicate(bytes as Buffer, id, request as Request) };
    case 'conflict':
      return { kind: 'conflict', head: bytes?.length ? decodeHead(bytes, headOf(id)).head : null };
    default:
      throw new ChordError('UNAVAILABLE', 'the connection to Redis broke: the write may or may not have happened', {
        contextId: id,
      });
  }
}

function decodeDuplicate(bytes: Buffer, id: string, { id: requestId, formerId = requestId }: Request): Request {
  return decodeAnswer(bytes, id, isFormerRequest(bytes.subarray(NONCE_LENGTH)) ? formerId : requestId);
}

function decodeAnswer(bytes: Buffer, id: string, requestId: string): Request {
  return decodeRequest(bytes.subarray(NONCE_LENGTH), requestId, `a request of context "${id}"`);
}

/** The length of the id comes first, so that no two pairs have the same name. */
function requestField(id: string, requestId: string): string {
  return `${id.length}:${id}${requestId}`;
}

/** A position in the form that the scripts compare. */
export function positionText({ epoch, version, digest }: Position): string {
  return `${version}:${epoch}:${digest}`;
}

function same(a: Position | null | undefined, b: Position | null): boolean {
  return a && b ? samePosition(a, b) : a === b;
}
