/**
 * Projections of answers, and whole values in place of splices. Each result is made once for all clients that request it, and
 * is kept as long as its source. Clients that request neither cost nothing.
 */
import { decodeChanges, encodeChanges } from '../../codec/changes.js';
import { decodeParts, EncodedStruct, encodeStruct } from '../../codec/struct.js';
import { decodePartsInSteps, encodeStructInSteps } from '../../codec/struct-steps.js';
import { type Projection, projectChanges, projectDocument } from '../../delta/projection.js';
import type { Change } from '../../delta/types.js';
import { hasSplices, unspliceInPlace, type Whole } from '../../delta/whole-values.js';
import { ChordError, type Reason } from '../../model/errors.js';
import type { JsonObject, Payload, Position } from '../../model/model.js';
import type { DeltaView, SyncResult, View } from '../events.js';
import { changesInSteps, inSteps, Pace, paced, SMALL_BYTES } from '../long-work.js';
import { PAGE_BYTES } from '../validation.js';
import { type DeltaForm, formatAhead } from './formats.js';
import { bytesOf, decodeInSteps, encodeInSteps } from './merge.js';

/** Projections kept per delta or document: many readers may have a different one each. */
const SCOPES_MAX = 8;

const narrowed = new WeakMap<object, Map<string, DeltaView | View | Promise<DeltaView | View>>>();

/**
 * The delta of the projected document; it may have no changes, and then says nothing of who wrote it. Synchronous where the
 * delta is small.
 */
export function projectDelta(delta: DeltaView, scope: Projection): DeltaView | Promise<DeltaView> {
  return once(delta, scope, () => {
    const { payload } = delta;
    if (bytesOf([payload]) > SMALL_BYTES) return paced((pace) => projectDeltaInSteps(delta, scope, pace));
    return withPayload(delta, encodeChanges(projectChanges(changesOf(delta), scope)));
  });
}

function withPayload({ cause, provenance, ...delta }: DeltaView, payload: Payload): DeltaView {
  if (payload.changes.length === 0) return { ...delta, payload };
  return { ...delta, payload, ...(cause && { cause }), ...(provenance && { provenance }) };
}

async function projectDeltaInSteps(delta: DeltaView, scope: Projection, pace: Pace): Promise<DeltaView> {
  const kept: Change[] = [];
  for await (const changes of changesInSteps(delta.payload, pace)) {
    for (const change of projectChanges(changes, scope)) kept.push(change);
  }
  return withPayload(delta, await encodeInSteps(kept, pace));
}

/** The projection of a document. Synchronous where the document is small. */
export function projectView(view: View, scope: Projection): View | Promise<View> {
  return once(view, scope, () => {
    const { bytes } = view.value;
    if (bytes.length > SMALL_BYTES) return paced((pace) => projectViewInSteps(view, scope, pace));
    return { ...view, value: new EncodedStruct(encodeStruct(decodeParts(bytes, scope))) };
  });
}

async function projectViewInSteps(view: View, scope: Projection, pace: Pace): Promise<View> {
  const document = await inSteps(decodePartsInSteps(view.value.bytes, scope), pace);
  return { ...view, value: new EncodedStruct(await inSteps(encodeStructInSteps(document), pace)) };
}

function once<T extends DeltaView | View>(content: T, { key }: Projection, make: () => T | Promise<T>): T | Promise<T> {
  let scopes = narrowed.get(content);
  if (!scopes) {
    scopes = new Map();
    narrowed.set(content, scopes);
  }
  const before = scopes.get(key);
  if (before) return before as T | Promise<T>;
  const made = make();
  if (scopes.size === SCOPES_MAX) scopes.clear();
  scopes.set(key, made);
  if (!(made instanceof Promise)) return made;
  const keep = (projected?: T): void => {
    if (scopes.get(key) !== made) return;
    if (projected) scopes.set(key, projected);
    else scopes.delete(key);
  };
  made.then(keep, () => keep());
  return made;
}

/** The part of a context that a client requests, and its form. */
export interface WatchInterest {
  /** Absent: the whole document. */
  readonly scope?: Projection | undefined;
  /** Absent: Chord's own changes. */
  readonly form?: DeltaForm | undefined;
}

/** The part of an answer that a client requested. Synchronous where the answer is small and nothing must be read. */
export function fit(
  result: SyncResult,
  interest: WatchInterest,
  values: WholeValues,
): SyncResult | Promise<SyncResult> {
  const { scope } = interest;
  if (result.kind === 'full' && scope) {
    const view = projectView(result.view, scope);
    return view instanceof Promise ? view.then((later) => ({ ...result, view: later })) : { ...result, view };
  }
  if (result.kind !== 'delta') return result;
  const delta = projectDeltaFor(result.delta, interest, values);
  return delta instanceof Promise ? delta.then((later) => ({ kind: 'delta', delta: later })) : { kind: 'delta', delta };
}

/** The same for a delta. */
export function projectDeltaFor(
  delta: DeltaView,
  { scope, form }: WatchInterest,
  values: WholeValues,
): DeltaView | Promise<DeltaView> {
  const projected = scope ? projectDelta(delta, scope) : delta;
  if (!form?.format) return projected;
  return projected instanceof Promise
    ? projected.then((made) => values.inForm(made, form, scope))
    : values.inForm(projected, form, scope);
}

/** Recent deltas with whole values that are kept; few, since the values may be large. */
const WHOLE_MAX = 16;

/** Replaces splices by whole values while the needed versions are retained; otherwise the splices stay. */
export class WholeValues {
  readonly #made: Readonly<Record<Whole, MadeDeltas>> = {
    strings: new MadeDeltas(),
    'lists and strings': new MadeDeltas(),
  };

  constructor(private readonly documentAt: (id: string, position: Position) => Promise<JsonObject>) {}

  /**
   * The delta as a form needs it: with whole values where its format requires them, and formatted ahead where it is large.
   * @param scope of a projected delta
   */
  inForm(delta: DeltaView, form: DeltaForm, scope?: Projection): DeltaView | Promise<DeltaView> {
    if (!form.format) return delta;
    const ahead = (made: DeltaView) => formatAhead(made, form)?.then(() => made) ?? made;
    const { whole } = form.format;
    const made = whole ? this.of(delta, whole, scope) : delta;
    return made instanceof Promise ? made.then(ahead) : ahead(made);
  }

  /** Made once for all concurrent requests; synchronous where the result exists or there is nothing to replace. */
  of(delta: DeltaView, whole: Whole, scope?: Projection): DeltaView | Promise<DeltaView> {
    const { withoutSplices, deltas } = this.#made[whole];
    if (withoutSplices.has(delta)) return delta;
    const made = deltas.get(delta);
    if (made) return made;
    const large = bytesOf([delta.payload]) > SMALL_BYTES;
    if (!large && !hasSplices(changesOf(delta), whole)) {
      withoutSplices.add(delta);
      return delta;
    }
    const making = this.all([delta], whole, scope).then(([unspliced = delta]) => unspliced);
    const [oldest] = deltas.keys();
    if (oldest && deltas.size === WHOLE_MAX) deltas.delete(oldest);
    deltas.set(delta, making);
    making.then(
      (unspliced) => deltas.has(delta) && deltas.set(delta, unspliced),
      () => deltas.delete(delta),
    );
    return making;
  }

  /**
   * The same for consecutive deltas of one context: one document is read for all of them. Ends early, but not before the
   * first delta, where the deltas have grown to the bytes of a page.
   */
  async all(deltas: readonly DeltaView[], whole: Whole, scope?: Projection): Promise<readonly DeltaView[]> {
    const made: DeltaView[] = [];
    const pace = new Pace();
    let document: JsonObject | undefined;
    let bytes = 0;
    for (const delta of deltas) {
      if (bytes >= PAGE_BYTES) break;
      const { id, from, payload } = delta;
      const changes = await decodeInSteps(payload, pace);
      const splices = hasSplices(changes, whole);
      if (splices && !document) {
        const before = await this.documentAt(id, from).catch(unlessGone);
        // Changes of a projection need not apply to the whole document.
        document = before && scope ? projectDocument(before, scope) : before;
      }
      if (splices && !document) return deltas;
      // Later deltas find the document as this one leaves it.
      const unspliced = document && unspliceInPlace(changes, whole, document);
      const written = splices && unspliced ? await encodeInSteps(unspliced, pace) : payload;
      made.push(splices ? { ...delta, payload: written } : delta);
      bytes += bytesOf([written]);
      await pace.look();
    }
    return made;
  }
}

/** The results for one kind of whole values. */
class MadeDeltas {
  readonly deltas = new Map<DeltaView, DeltaView | Promise<DeltaView>>();
  readonly withoutSplices = new WeakSet<DeltaView>();
}

function changesOf({ payload }: DeltaView): Change[] {
  return decodeChanges(payload.changes, payload.olds);
}

/** Reasons why the document of an earlier version is not available: not retained, or too many bytes. */
const GONE: readonly Reason[] = ['NOT_FOUND', 'FAILED_PRECONDITION', 'RESOURCE_EXHAUSTED'];

function unlessGone(error: unknown): undefined {
  if (error instanceof ChordError && GONE.includes(error.reason)) return;
  throw error;
}
