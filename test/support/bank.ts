/**
 * Money that batches move between contexts: accounts, and receipts that come into being with what was taken from an
 * account and go when it is paid in. Whoever sees all contexts as of one moment sees the same sum.
 */
import type { Write } from '../../src/gen/chord/v1/context_service.js';
import type { ReturnOptions } from '../../src/gen/chord/v1/model.js';
import { type Copy, type Peer, Reader } from './chord.js';

export const BANK = '{bank}:';
const ACCOUNTS = 6;
const START = 1000;
export const TOTAL = ACCOUNTS * START;

const NOTHING: ReturnOptions | undefined = undefined;
const account = (i: number): string => `${BANK}account:${i}`;

/** A change of one balance. */
export function add(contextId: string, by: number): Write {
  const mutations = [{ path: ['balance'], operation: { $case: 'increment' as const, value: by } }];
  const rest = {
    changes: undefined,
    allowMissing: false,
    expected: undefined,
    requestId: '',
    annotations: new Map(),
    ttl: undefined,
  };
  return { write: { $case: 'update', value: { contextId, mutations, ...rest, returning: NOTHING } } };
}

export function create(contextId: string, balance: number): Write {
  const expected = { condition: { $case: 'absent' as const, value: true }, checks: [] };
  const rest = { requestId: '', annotations: new Map(), ttl: undefined, returning: NOTHING };
  return { write: { $case: 'set', value: { contextId, value: { balance, text: 'x'.repeat(50) }, expected, ...rest } } };
}

export function remove(contextId: string): Write {
  return {
    write: {
      $case: 'delete',
      value: { contextId, expected: undefined, requestId: '', annotations: new Map(), allowMissing: false },
    },
  };
}

export async function openAccounts(peer: Peer): Promise<void> {
  await peer.batch({ writes: Array.from({ length: ACCOUNTS }, (_, i) => create(account(i), START)) });
}

/** Moves money about until it is told to stop or its server is gone; answers how often it did. */
export async function trade(peer: Peer, name: string, seed: number, goesOn: () => boolean): Promise<number> {
  let state = seed;
  // A small generator of its own: what happens in a run follows from the seeds.
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % below;
  };
  for (let count = 0; ; count++) {
    if (!goesOn()) return count;
    const [from, amount] = [random(ACCOUNTS), 1 + random(9)];
    const to = (from + 1 + random(ACCOUNTS - 1)) % ACCOUNTS;
    const receipt = `${BANK}receipt:${name}:${count}`;
    try {
      switch (random(4)) {
        case 0:
          await peer.batch({ writes: [add(account(from), -amount), create(receipt, amount)] });
          await peer.batch({ writes: [remove(receipt), add(account(to), amount)] });
          break;
        case 1:
          // No business of the others: it changes something else in an account.
          await peer.update({ contextId: account(from), changes: { last: name } });
          break;
        default:
          await peer.batch({ writes: [add(account(from), -amount), add(account(to), amount)] });
      }
    } catch (error) {
      if ((error as { code?: number }).code === 14) return count;
      throw error;
    }
  }
}

export function sumOf(copies: Iterable<Pick<Copy, 'value'>>): number {
  return [...copies].reduce((sum, { value }) => sum + (value.balance as number), 0);
}

/** A reader of the whole bank who has caught up, and notes each sum that it could have shown and that was wrong. */
export async function audit(peer: Peer, known: ReadonlyMap<string, Copy> = new Map()) {
  const reader = Reader.resume(peer, { prefix: BANK }, known);
  const wrong: string[] = [];
  /** How many moments it could have shown, and the last of them. */
  const shown = { moments: 0, copies: known };
  reader.onSettled = () => {
    shown.copies = new Map(reader.copies);
    if (!reader.log.includes('caughtUp')) return;
    shown.moments++;
    const sum = sumOf(reader.copies.values());
    if (sum !== TOTAL) wrong.push(`${sum} after ${reader.log.slice(-6).join(', ')}`);
  };
  await reader.caughtUp();
  return { reader, wrong, shown };
}

/** The sum of what can be read, when nobody trades. */
export async function total(peer: Peer): Promise<number> {
  const { contexts } = await peer.list({ prefix: BANK, pageSize: 1000, includeValues: true });
  return sumOf(contexts.map(({ value }) => ({ value: value as Copy['value'] })));
}
