/**
 * The chain of a context from what clients saw alone: for histories from outside, where no store can be asked for the order
 * of lives. Versions order the states of a life. Of two lives, one comes first exactly when all of its operations can:
 * sorting by the last call plus the first return finds such an order, where there is one.
 */
import type { Chain, Operation } from './history.js';

interface Life {
  readonly states: Map<number, string>;
  lastCalled: number;
  firstReturned: number;
}

/** Of every context that an operation touched. */
export function chainsOf(operations: readonly Operation[]): Map<string, Chain> {
  const contexts = new Map<string, Map<string, Life>>();
  for (const { called, returned, touches } of operations) {
    for (const { context, state, from } of touches) {
      const lives = contexts.get(context) ?? new Map<string, Life>();
      contexts.set(context, lives);
      const name = state ?? from;
      if (name === undefined || name === null) continue;
      const [epoch = '', version = ''] = name.split(':');
      const life = lives.get(epoch) ?? newLife();
      lives.set(epoch, life);
      if (!life.states.has(Number(version))) life.states.set(Number(version), name);
      life.lastCalled = Math.max(life.lastCalled, called);
      life.firstReturned = Math.min(life.firstReturned, returned);
    }
  }
  return new Map([...contexts].map(([context, lives]) => [context, chainOf([...lives.values()])]));
}

function newLife(): Life {
  return { states: new Map(), lastCalled: Number.NEGATIVE_INFINITY, firstReturned: Number.POSITIVE_INFINITY };
}

function chainOf(lives: readonly Life[]): Chain {
  const order = ({ lastCalled, firstReturned }: Life) => lastCalled + Math.min(firstReturned, Number.MAX_SAFE_INTEGER);
  const sorted = [...lives].sort((a, b) => order(a) - order(b));
  const statesOf = ({ states }: Life) => [...states].sort(([a], [b]) => a - b).map(([, name]) => name);
  return [null, ...sorted.flatMap((life) => [...statesOf(life), null])];
}
