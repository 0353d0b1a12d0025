/**
 * A history: what clients asked and were answered, and when; and for each context the chain of its states.
 *
 * A chain begins with *absent* and has every state that the context ever had, in order: the versions of one life, *absent*
 * after its removal, the versions of the next life. So a state is named by its place in the chain, and a linearizable
 * history is one whose operations can be put in the order of the chains without reversing real time.
 */

/** `<epoch>:<version>:<digest>`; null: the context does not exist. */
export type StateName = string | null;

export interface Operation {
  /** For messages. */
  readonly name: string;
  /** The time of the call, in any unit that grows. */
  readonly called: number;
  /** The time of the answer. Infinity: there was none, or it does not say whether the operation happened. */
  readonly returned: number;
  readonly touches: readonly Touch[];
}

/** What an operation did to one context. An operation may touch several, each once: it did so at one moment. */
export interface Touch {
  readonly context: string;
  /**
   * `writes`: this operation made the state; with `state` null, it removed the context, which was at `from`.
   * `reads`: the operation found the state.
   */
  readonly kind: 'writes' | 'reads';
  readonly state: StateName;
  /** The state that a removal removed. */
  readonly from?: string;
}

/** States in order, the first and each one after a removal null. Two nulls never follow one another. */
export type Chain = readonly StateName[];

export interface History {
  readonly chains: ReadonlyMap<string, Chain>;
  readonly operations: readonly Operation[];
}
