/**
 * Spans of the two parts of a write: its evaluation on the newest state of the context, and its commit by the store. Both
 * are children of the span of the call that wrote, also where the write waited for others. Reads and the
 * server's own work (a sweep, say) have no such spans.
 */
import type { Context, Tracer } from '@opentelemetry/api';
import { type Evaluation, LongEvaluation } from '../contexts/lane/pending-write.js';
import type { Effect } from '../contexts/lane/state.js';
import type { Commit, Removal, Store } from '../store/store.js';
import type { OpenTelemetryApi } from './opentelemetry.js';

export class WriteSpans {
  /** The trace context of the call that made a commit or removal. */
  readonly #callers = new WeakMap<object, Context>();

  constructor(
    private readonly api: OpenTelemetryApi,
    private readonly tracer: Tracer,
  ) {}

  /** The same evaluation, with a span where it writes. To be called where the call is. */
  evaluation<T>(evaluate: Evaluation<T>): Evaluation<T> {
    const caller = this.api.context.active();
    if (!this.api.trace.getSpan(caller)) return evaluate;
    return (tip) => {
      const startTime = Date.now();
      const began = performance.now();
      const ended = (effect: Effect<T>): Effect<T> => {
        const written = effect.commit ?? effect.removal;
        if (!written) return effect;
        this.#callers.set(written, caller);
        const span = this.tracer.startSpan('chord.evaluate', { startTime, attributes: about(written) }, caller);
        span.end(startTime + performance.now() - began);
        return effect;
      };
      const made = this.api.context.with(caller, evaluate, undefined, tip);
      return made instanceof LongEvaluation
        ? new LongEvaluation(async (pace) => ended(await made.run(pace)))
        : ended(made);
    };
  }

  /** The same store, with a span for each commit. */
  store(store: Store): Store {
    const commitBatch = store.commitBatch?.bind(store);
    const traced: Partial<Store> = {
      commit: (commit) => this.#span(about(commit), this.#callers.get(commit), () => store.commit(commit)),
      remove: (removal) => this.#span(about(removal), this.#callers.get(removal), () => store.remove(removal)),
      ...(commitBatch && {
        commitBatch: (operations) =>
          this.#span({ 'chord.writes': operations.length }, undefined, () => commitBatch(operations)),
      }),
    };
    const bound = new Map<PropertyKey, unknown>();
    return new Proxy(store, {
      get: (target, name) => {
        if (Object.hasOwn(traced, name)) return traced[name as keyof Store];
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        if (!bound.has(name)) bound.set(name, member.bind(target));
        return bound.get(name);
      },
    });
  }

  async #span<T>(
    attributes: Record<string, string | number>,
    caller = this.api.context.active(),
    commit: () => Promise<T>,
  ): Promise<T> {
    if (!this.api.trace.getSpan(caller)) return commit();
    const span = this.tracer.startSpan('chord.commit', { attributes }, caller);
    try {
      return await this.api.context.with(this.api.trace.setSpan(caller, span), commit);
    } catch (error) {
      span.setStatus({ code: this.api.SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  }
}

function about({ id }: Commit | Removal): Record<string, string> {
  return { 'chord.context_id': id };
}
