/**
 * Log rate limit: a number of lines a second for each caller, then one line with the count of those left out. A caller
 * can neither fill a disk with bad calls, nor use up the lines of others. A limited number of callers has budgets of its own;
 * callers beyond it share one.
 */
const LINES_MAX = 20;
const WINDOW = 1000;
/** Limit for identities, and again for addresses: a caller with many addresses takes no place of an identity. */
const CALLERS_MAX = 256;

/** Exactly one of the members; none: callers that are not told apart. */
export interface Caller {
  readonly identity?: string;
  /** A host, or an IPv6 network. */
  readonly address?: string;
}

interface Budget {
  readonly caller: Caller;
  admitted: number;
  left: number;
}

const OTHERS: Caller = {};

export class LogRateLimit {
  readonly #identities = new Map<string, Budget>();
  readonly #addresses = new Map<string, Budget>();
  #others: Budget = { caller: OTHERS, admitted: 0, left: 0 };
  #window: NodeJS.Timeout | undefined;

  /** @param more called at the end of a second, for each caller over the limit */
  constructor(private readonly more: (left: number, caller: Caller) => void) {}

  admits(caller: Caller): boolean {
    this.#window ??= setTimeout(() => this.#end(), WINDOW).unref();
    const budget = this.#budgetOf(caller);
    if (budget.admitted < LINES_MAX) {
      budget.admitted++;
      return true;
    }
    budget.left++;
    return false;
  }

  /** Reports the lines left out so far. */
  close(): void {
    clearTimeout(this.#window);
    this.#end();
  }

  #budgetOf(caller: Caller): Budget {
    const { identity, address = '' } = caller;
    const [budgets, name] = identity === undefined ? [this.#addresses, address] : [this.#identities, identity];
    const found = budgets.get(name);
    if (found) return found;
    if (budgets.size >= CALLERS_MAX) return this.#others;
    const budget = { caller, admitted: 0, left: 0 };
    budgets.set(name, budget);
    return budget;
  }

  #end(): void {
    const budgets = [...this.#identities.values(), ...this.#addresses.values(), this.#others];
    this.#identities.clear();
    this.#addresses.clear();
    this.#others = { caller: OTHERS, admitted: 0, left: 0 };
    this.#window = undefined;
    for (const { left, caller } of budgets) if (left > 0) this.more(left, caller);
  }
}
