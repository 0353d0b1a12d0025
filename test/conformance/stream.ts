/** The reader of a watch: takes events, and holds each to its place in the chain. */
import { apply, equal } from '../../src/delta/index.js';
import type { JsonObject, Position } from '../../src/model/model.js';
import type { Answer, Driver } from './driver.js';
import { check, like, same } from './expect.js';

const TIMEOUT = 20_000;

export class Stream {
  readonly documents = new Map<string, { value: JsonObject; position: Position }>();
  /** Data events so far. */
  count = 0;

  private constructor(
    private readonly driver: Driver,
    readonly handle: string,
  ) {}

  static async open(driver: Driver, targets: readonly object[], options: object = {}): Promise<Stream> {
    const { handle } = await driver.call('watch', { targets, ...options });
    return new Stream(driver, handle);
  }

  /** The next event, which must be like this. */
  async next(expected: object): Promise<Answer> {
    const event = await this.#take();
    like(event, expected, 'event');
    return event;
  }

  /** Reads up to a version of a context, whatever comes on the way. Answers the document. */
  async until(contextId: string, version: number): Promise<JsonObject> {
    while ((this.documents.get(contextId)?.position.version ?? 0) < version) await this.#take();
    return this.documents.get(contextId)!.value;
  }

  /** No event comes for a while. */
  async quiet(): Promise<void> {
    const { events } = await this.driver.call('next', { handle: this.handle, timeout: 300 });
    same(events, [], 'no further event');
  }

  async #take(): Promise<Answer> {
    const { events } = await this.driver.call('next', { handle: this.handle, timeout: TIMEOUT });
    check(events.length === 1, `no event within ${TIMEOUT} ms`);
    this.#follow(events[0]);
    return events[0];
  }

  #follow(event: Answer): void {
    const { contextId } = event;
    const held = this.documents.get(contextId);
    if (event.event !== 'caughtUp' && event.event !== 'absent') this.count++;
    if (event.event === 'full') {
      const { value, position } = event;
      check(
        !held || !equal(position, held.position as never),
        `${contextId} came twice at version ${position.version}`,
      );
      this.documents.set(contextId, { value, position });
    } else if (event.event === 'delta') {
      check(held !== undefined, `a delta of ${contextId}, which nothing is known of`);
      same(event.from, held.position, `${contextId}: the delta starts where the last event ended`);
      this.documents.set(contextId, { value: apply(event.changes, held.value), position: event.to });
    } else if (event.event === 'deleted') {
      check(held !== undefined, `${contextId} deleted, but was not there`);
      this.documents.delete(contextId);
    }
  }
}
