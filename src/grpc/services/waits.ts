/**
 * Waits: calls that are answered when a context meets checks. In the proto a wait is a unary call; here it is served as
 * a stream of one message, since it lasts as streams do: quotas, load shedding, the end of credentials and the stop of the
 * server treat it as a stream.
 */
import { checkChecks } from '../../contexts/checks.js';
import type { SyncResult } from '../../contexts/events.js';
import type { ContextService } from '../../contexts/service.js';
import type { DeltaForm, Formats } from '../../contexts/sync/formats.js';
import { fit } from '../../contexts/sync/projection.js';
import { checkId } from '../../contexts/validation.js';
import type { WaitContextRequest } from '../../gen/chord/v1/sync_service.js';
import { ChordError, invalid, type Reason } from '../../model/errors.js';
import { type Position, samePosition } from '../../model/model.js';
import type { Hub } from '../../watch/hub.js';
import { Waiter } from '../../watch/waiter.js';
import type { Call } from '../call.js';
import { fromChecks } from '../codec/condition-messages.js';
import { waitResponse } from '../codec/response-encoder.js';
import { fromPaths } from '../codec/sync-messages.js';
import { readable } from '../parts.js';

/** The request is kept while the call waits. */
export const WAIT_BYTES_MAX = 256 * 1024;
/** The values that checks compare with. */
const MEMBERS_MAX = 1000;
/** A wait without a deadline ends after this time, in milliseconds. */
const WAIT_MAX = 3_600_000;

/** All open waits of a server. */
export class Waits {
  readonly #open = new Set<Call>();

  constructor(
    private readonly service: ContextService,
    private readonly hub: Hub,
    private readonly formats: Formats,
  ) {}

  get size(): number {
    return this.#open.size;
  }

  serve(call: Call): void {
    try {
      const { contextId: id, known, until, format, includeOldValues, paths } = call.request as WaitContextRequest;
      checkId(id);
      if (until.length === 0) throw invalid('until', 'must not be empty');
      const checks = fromChecks(until, 'until');
      checkChecks(checks, 'until', { members: MEMBERS_MAX, max: MEMBERS_MAX, elements: 0 });
      const form = this.formats.form(format, includeOldValues);
      const interest = { scope: readable(call, 'watch', id, fromPaths(paths)), form };
      const waiter = new Waiter(
        this.service,
        this.hub,
        { id, known, checks },
        {
          met: async (at) => {
            const result = await this.#answer(id, known, at);
            if (result.kind === 'missing') return false;
            this.#send(call, id, await fit(result, interest, this.service.wholeValues), form, at);
            return true;
          },
          fail: (error) => call.fail(error),
        },
      );
      this.#open.add(call);
      const overdue = call.getDeadline() === Infinity ? setTimeout(() => call.fail(tooLong()), WAIT_MAX) : undefined;
      call.onEnd = () => {
        clearTimeout(overdue);
        this.#open.delete(call);
        waiter.close();
      };
      waiter.open().catch((error) => call.fail(error));
    } catch (error) {
      call.fail(error);
    }
  }

  /** Ends all waits: the clients may wait again, spread over this time in milliseconds. */
  closeAll(reason: string, retryWithin: number): void {
    for (const call of this.#open) {
      call.fail(new ChordError('UNAVAILABLE', reason, { retryAfter: Math.round(Math.random() * retryWithin) }));
    }
  }

  /** What the client lacks of the context at this position; where that is gone already, what it lacks now. */
  async #answer(id: string, known: Position | undefined, at: Position): Promise<SyncResult> {
    const now = await this.service.sync(id, known);
    const { position } = headOf(now);
    if (!position || samePosition(position, at)) return now;
    return this.service.syncAt(id, known, at).catch((error) => {
      if (error instanceof ChordError && GONE.includes(error.reason)) return now;
      throw error;
    });
  }

  #send(call: Call, id: string, result: SyncResult, form: DeltaForm, at: Position): void {
    const bytes = waitResponse(id, result, form, at.version);
    call.usage?.owe(bytes.length);
    call.write(bytes);
    call.finish();
  }
}

/** The reasons for which a state can no longer be read. */
const GONE: readonly Reason[] = ['NOT_FOUND', 'FAILED_PRECONDITION', 'RESOURCE_EXHAUSTED'];

function headOf(result: SyncResult): { readonly position?: Position } {
  if (result.kind === 'full') return result.view.head;
  if (result.kind === 'delta') return { position: result.delta.to };
  return result.kind === 'no_change' ? result : {};
}

function tooLong(): ChordError {
  return new ChordError('DEADLINE_EXCEEDED', `the checks were not met within ${WAIT_MAX / 60_000} minutes`);
}
