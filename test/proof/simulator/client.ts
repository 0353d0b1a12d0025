/** A simulated client: asks one thing after another, over a network that is late and loses and repeats. */
import type { BatchedWrite } from '../../../src/contexts/writes/batch.js';
import type { WriteResult } from '../../../src/contexts/writes/writes.js';
import { ChordError } from '../../../src/model/errors.js';
import type { Position } from '../../../src/model/model.js';
import { documentOf, follow } from '../../support/reader.js';
import type { Random } from '../random.js';
import type { Disk } from './disk.js';
import { Call, type Judge } from './judge.js';
import type { Loop } from './loop.js';
import { type Asked, ask, type Single } from './requests.js';
import type { SimulatedServer } from './server.js';

export interface Surroundings {
  readonly loop: Loop;
  readonly random: Random;
  readonly disk: Disk;
  readonly judge: Judge;
  /** One that runs, or none. */
  readonly server: () => SimulatedServer | undefined;
  readonly clock: () => number;
  /** Clients edit one document at the same time. */
  readonly edits: boolean;
  readonly network: { readonly lost: number; readonly repeated: number; readonly delayMax: number };
}

const ATTEMPTS_MAX = 4;
const TIMEOUT = 2000;

export async function runClient(around: Surroundings, name: string, count: number): Promise<void> {
  const { loop, random, disk, judge } = around;
  for (let i = 0; i < count; i++) {
    // Sometimes long enough for members to expire.
    await loop.sleep(random.below(random.chance(0.1) ? 2000 : 60));
    await make(around, name, ask(random, disk, judge.calls.length, around.edits));
  }
}

/** Makes a call, and judges what comes back. */
export async function make(around: Surroundings, name: string, asked: Asked): Promise<void> {
  const { loop, judge } = around;
  const number = judge.calls.length;
  const writes = asked.kind === 'write' ? [asked.write] : asked.kind === 'batch' ? asked.writes : [];
  const call = new Call(number, `${name} ${number} ${JSON.stringify(asked)}`, writes);
  judge.calls.push(call);
  call.called = loop.steps;
  call.calledAt = around.clock();
  call.renews = asked.kind === 'renew' ? [asked.id] : writes.map(({ id }) => id);
  await attempt(around, call, asked);
}

async function attempt(around: Surroundings, call: Call, asked: Asked): Promise<void> {
  const { loop, random, network, server } = around;
  const repeatable =
    (asked.kind === 'write' && 'requestId' in asked.write && asked.write.requestId) ||
    (asked.kind === 'batch' && asked.requestId);
  const isWrite = asked.kind === 'write' || asked.kind === 'batch' || asked.kind === 'touch' || asked.kind === 'renew';
  const attempts = !isWrite || repeatable ? ATTEMPTS_MAX : 1;
  for (let i = 0; i < attempts; i++) {
    if (i > 0) {
      call.repeated = true;
      await loop.sleep(random.below(200));
    }
    const to = server();
    if (!to || random.chance(network.lost)) {
      await loop.sleep(random.below(TIMEOUT));
      continue;
    }
    if (repeatable && random.chance(network.repeated)) {
      call.repeated = true;
      loop.later(random.below(TIMEOUT), () => void arrive(around, to, call, asked));
    }
    await loop.sleep(random.below(network.delayMax));
    const answered = await Promise.race([arrive(around, to, call, asked), loop.sleep(TIMEOUT)]);
    if (answered !== 'answered' || random.chance(network.lost)) continue;
    await loop.sleep(random.below(network.delayMax));
    // A list reads what is durable, which may be ahead of what is acknowledged: later reads need not have it yet.
    if (asked.kind !== 'list') call.returned = loop.steps;
    call.answeredAt = around.clock();
    return;
  }
  // It may happen yet, or was never heard of.
  if (!isWrite) call.touches = [];
}

/** Carries out one attempt on a server, and holds its answer against the truth. Never settles where the server is gone. */
function arrive(around: Surroundings, to: SimulatedServer, call: Call, asked: Asked) {
  return new Promise<'answered' | 'not known'>((resolve, reject) => {
    if (!to.alive) return;
    const wasAnswered = call.answer !== undefined;
    carryOut(around, to, asked).then(
      (judged) => {
        if (!to.alive) return;
        try {
          noteAnswer(call, judged);
          resolve('answered');
        } catch (error) {
          around.judge.failure ??= error;
          reject(error);
        }
      },
      (error) => {
        if (!to.alive) return;
        try {
          resolve(noteRefusal(around.judge, call, asked, error, wasAnswered));
        } catch (problem) {
          around.judge.failure ??= problem;
          reject(problem);
        }
      },
    );
  });

  function noteAnswer(call: Call, judged: Judged): void {
    if (call.answer === undefined) {
      call.answer = judged.summary;
      call.touches = [];
      judged.judge(call);
    } else if (call.writes.length > 0 && call.answer !== judged.summary) {
      throw new Error(`${call.name} was answered ${call.answer}, and then ${judged.summary}`);
    }
  }
}

/** `not known`: it may have happened. `wasAnswered`: before this attempt, which may be refused long after it was looked for. */
function noteRefusal(
  judge: Judge,
  call: Call,
  asked: Asked,
  error: unknown,
  wasAnswered: boolean,
): 'answered' | 'not known' {
  if (!(error instanceof ChordError)) throw error;
  const { reason, details } = error;
  if (reason === 'UNAVAILABLE') return 'not known';
  if (!['ABORTED', 'NOT_FOUND', 'INVALID_ARGUMENT', 'FAILED_PRECONDITION'].includes(reason)) throw error;
  if (wasAnswered && call.writes.length > 0) {
    throw new Error(`${call.name} was answered ${call.answer}, and then refused: ${error.message}`);
  }
  // An attempt before this one may have happened, or may happen yet.
  if (call.repeated) return 'not known';
  const id = details.contextId ?? ('id' in asked ? asked.id : asked.kind === 'write' ? asked.write.id : undefined);
  if (id === undefined) return 'answered';
  const isRevert = asked.kind !== 'write' || asked.write.kind === 'revert';
  if (reason === 'ABORTED' && 'current' in details) judge.refused(call, id, details.current as Position | null);
  else if (reason === 'NOT_FOUND' && !(isRevert && call.writes.length > 0) && asked.kind !== 'past') {
    judge.reads(call, id, null);
  }
  return 'answered';
}

interface Judged {
  /** What a repeat must answer too. */
  readonly summary: string;
  readonly judge: (call: Call) => void;
}

async function carryOut(
  around: Surroundings,
  { engine: { contexts } }: SimulatedServer,
  asked: Asked,
): Promise<Judged> {
  const { judge, disk } = around;
  switch (asked.kind) {
    case 'write':
      return judgedWrites(around, [asked.write], [await write(contexts, asked.write)]);
    case 'batch': {
      const { requestId, writes } = asked;
      const sent = structuredClone(writes).map((each) => unnamed(each));
      return judgedWrites(around, writes, await contexts.batch(sent, requestId ? { requestId } : {}));
    }
    case 'touch': {
      const { position } = await contexts.touch(asked.id, asked.ttl);
      return { summary: '', judge: (call) => judge.reads(call, asked.id, position) };
    }
    case 'renew': {
      const { id, path } = asked;
      const { position } = await contexts.touchMembers(id, [path]);
      return {
        summary: '',
        judge: (call) => {
          judge.renewed(call, id, path, position);
          judge.reads(call, id, position);
        },
      };
    }
    case 'get': {
      const view = await contexts.get(asked.id);
      return {
        summary: '',
        judge: (call) => {
          judge.saw(call.name, asked.id, view.head.position, documentOf(view));
          judge.shows(call, asked.id, view.head.position);
          judge.reads(call, asked.id, view.head.position);
        },
      };
    }
    case 'list': {
      const { heads } = await contexts.list(asked.id);
      return {
        summary: '',
        judge: (call) => {
          for (const { id, head } of heads) judge.listed(call, id, head.position);
        },
      };
    }
    case 'sync': {
      const { id, known } = asked;
      const result = await contexts.sync(id, known);
      return {
        summary: '',
        judge: (call) => {
          if (result.kind === 'missing') return judge.reads(call, id, null);
          if (result.kind === 'full') judge.saw(call.name, id, result.view.head.position, documentOf(result.view));
          if (result.kind === 'delta') {
            const copy = known && { position: known, value: disk.at(id, known)?.document };
            judge.saw(call.name, id, result.delta.to, follow(copy, result.delta));
          }
          if (result.kind === 'no_change' && (!known || known.version !== result.position.version)) {
            throw new Error(`${call.name}: no change from ${known?.version} to ${result.position.version}`);
          }
          const at =
            result.kind === 'full'
              ? result.view.head.position
              : result.kind === 'delta'
                ? result.delta.to
                : result.position;
          judge.shows(call, id, at);
          judge.reads(call, id, at);
        },
      };
    }
    case 'past': {
      const view = await contexts.past.atVersion(asked.id, asked.version);
      return {
        summary: '',
        judge: (call) => {
          const { position } = view.head;
          if (position.version !== asked.version) throw new Error(`${call.name}: answered version ${position.version}`);
          judge.saw(call.name, asked.id, position, documentOf(view));
        },
      };
    }
    case 'deltas': {
      const page = await contexts.deltas(asked.id, asked.version);
      return {
        summary: '',
        judge: (call) => {
          judge.reads(call, asked.id, page.head);
          for (const delta of page.deltas) {
            const before = delta.from.version === 0 ? {} : judge.saw(call.name, asked.id, delta.from).document;
            judge.saw(call.name, asked.id, delta.to, follow({ position: delta.from, value: before }, delta));
          }
        },
      };
    }
  }

  function judgedWrites({ clock }: Surroundings, writes: readonly Single[], results: readonly WriteResult[]): Judged {
    const at = clock();
    const summary = JSON.stringify(results.map(({ changed, position }) => [changed, position]));
    return {
      summary,
      judge: (call) => {
        for (const [i, each] of writes.entries())
          judge.wrote(call, each, results[i]!.changed, results[i]!.position, at);
      },
    };
  }
}

/** A batch has a request id as a whole. */
function unnamed(write: Single): BatchedWrite {
  if (write.kind === 'revert') return write;
  const { requestId: _, ...rest } = write;
  return rest as BatchedWrite;
}

function write(contexts: SimulatedServer['engine']['contexts'], asked: Single): Promise<WriteResult> {
  // Chord takes the values over.
  const each = structuredClone(asked);
  if (each.kind === 'revert') return contexts.revert(each.id, each.version);
  const { id, requestId, expected, allowMissing } = each;
  if (each.kind === 'delete') return contexts.delete(id, { requestId, expected, allowMissing });
  if (each.kind === 'set') return contexts.set(id, each.value, { requestId, expected, ttl: each.ttl });
  const { changes, mutations, ttl } = each;
  return contexts.update(id, { changes, mutations }, { requestId, expected, ttl, allowMissing });
}
