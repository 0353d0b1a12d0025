/**
 * Projections and delta formats of answers. Each result is made once for all clients that request it, and is kept as
 * long as its source. Clients that request neither cost nothing.
 */
import { decodeChanges, encodeChanges } from '../../codec/changes.js';
import { decodeParts, EncodedStruct, encodeStruct, encodeValue } from '../../codec/struct.js';
import { flat } from '../../delta/formats/flat.js';
import { type Format, type Formatter, Inexpressible } from '../../delta/formats/format.js';
import { jsonPatch } from '../../delta/formats/json-patch.js';
import { mergePatch } from '../../delta/formats/merge-patch.js';
import { apply } from '../../delta/index.js';
import { type Projection, projectChanges } from '../../delta/projection.js';
import type { Change } from '../../delta/types.js';
import { hasSplices, unsplice, type Whole } from '../../delta/whole-values.js';
import { ChordError, invalid, type Reason } from '../../model/errors.js';
import { type JsonObject, MAX_DEPTH, MESSAGE_BYTES_MAX, type Position } from '../../model/model.js';
import type { DeltaView, SyncResult, View } from '../events.js';
import { PAGE_BYTES } from '../validation.js';
import { deeper } from '../writes/value-limits.js';
import { bytesOf } from './merge.js';

/** How a client requests deltas to be written. */
export interface DeltaForm {
  /** Equal for equal forms of one server. */
  readonly key: string;
  readonly oldValues: boolean;
  /** Absent: Chord's own changes. */
  readonly format?: NamedFormat;
}

interface NamedFormat extends Format {
  readonly name: string;
  /** What comes whole, in place of splices. */
  readonly whole: Whole | undefined;
}

export const PLAIN: DeltaForm = { key: 'changes', oldValues: false };
const WITH_OLDS: DeltaForm = { key: 'changes, old values', oldValues: true };

/** Custom formats by name. A plain function receives lists as splices, and strings whole. */
export type Formatters = Readonly<Record<string, Formatter | Format>>;

/** All formats of a server, by name. */
export class Formats {
  readonly #forms = new Map<string, readonly [plain: DeltaForm, withOlds: DeltaForm]>([
    ['changes', [PLAIN, WITH_OLDS]],
  ]);

  /** Throws TypeError where a name is invalid or already used, or its format is not a function. */
  constructor(plugins: Formatters = {}) {
    const all = { flat, json_patch: jsonPatch, merge_patch: mergePatch };
    for (const [name, format] of [...Object.entries(all), ...Object.entries(plugins)]) {
      if (!/^[\w.-]{1,64}$/.test(name)) throw new TypeError(`${JSON.stringify(name)} is not a valid delta format name`);
      if (this.#forms.has(name)) throw new TypeError(`the delta format ${name} already exists`);
      const own: Format = typeof format === 'function' ? { format } : format;
      const whole = own.wholeLists ? 'lists and strings' : own.textSplices ? undefined : 'strings';
      const named: NamedFormat = { ...own, name, whole };
      if (typeof named.format !== 'function') throw new TypeError(`the delta format ${name} is not a function`);
      const form = (oldValues: boolean): DeltaForm => ({ key: `${name}, ${oldValues}`, oldValues, format: named });
      this.#forms.set(name, [form(false), form(true)]);
    }
  }

  /** The requested form. INVALID_ARGUMENT where the name is unknown. */
  form(name: string, oldValues: boolean, field = 'format'): DeltaForm {
    const forms = this.#forms.get(name || 'changes');
    if (!forms)
      throw invalid(field, `${JSON.stringify(name)} is unknown; known are ${[...this.#forms.keys()].join(', ')}`);
    return forms[oldValues ? 1 : 0];
  }
}

/** Clients receive no more bytes by default; no document is larger. */
const FORMATTED_BYTES_MAX = MESSAGE_BYTES_MAX - 65_536;

export class TooLarge extends Inexpressible {
  /** @param made bytes of a result that is not used */
  constructor(
    bytes: string,
    readonly made = 0,
  ) {
    super(`the formatted delta takes ${bytes} bytes, the limit is ${FORMATTED_BYTES_MAX}`);
  }
}

/** The bytes of a google.protobuf.Value; or why there are none. An error that a formatter throws is a defect. */
export function formatDelta(
  view: DeltaView,
  { name, format, bytesAtLeast, whole }: NamedFormat,
  oldValues: boolean,
): Uint8Array | Inexpressible {
  const changes = changesOf(view);
  if (whole && hasSplices(changes, whole)) return new Inexpressible(`the changed ${whole} are no longer retained`);
  const delta = { contextId: view.id, changes, oldValues };
  try {
    const least = bytesAtLeast?.(delta) ?? 0;
    if (least > FORMATTED_BYTES_MAX) return new TooLarge(`at least ${least}`);
    const value = format(delta);
    if (value instanceof Inexpressible) return value;
    if (deeper(value, MAX_DEPTH)) return new Inexpressible(`the formatted delta nests deeper than ${MAX_DEPTH} levels`);
    const bytes = encodeValue(value);
    if (bytes.length <= FORMATTED_BYTES_MAX) return bytes;
    return new TooLarge(`${bytes.length}`, bytes.length);
  } catch (cause) {
    throw new Error(`the delta format ${name} failed`, { cause });
  }
}

/** Projections kept per delta or document: many readers may have a different one each. */
const SCOPES_MAX = 8;

const narrowed = new WeakMap<object, Map<string, DeltaView | View>>();

/** The delta of the projected document; it may have no changes. */
export function projectDelta(delta: DeltaView, scope: Projection): DeltaView {
  return once(delta, scope, () => {
    return { ...delta, payload: encodeChanges(projectChanges(changesOf(delta), scope)) };
  });
}

/** The projection of a document. */
export function projectView(view: View, scope: Projection): View {
  return once(view, scope, () => {
    const document = decodeParts(view.value.bytes, scope);
    return { ...view, value: new EncodedStruct(encodeStruct(document)) };
  });
}

function once<T extends DeltaView | View>(content: T, { key }: Projection, make: () => T): T {
  let scopes = narrowed.get(content);
  if (!scopes) {
    scopes = new Map();
    narrowed.set(content, scopes);
  }
  let made = scopes.get(key);
  if (!made) {
    made = make();
    if (scopes.size === SCOPES_MAX) scopes.clear();
    scopes.set(key, made);
  }
  return made as T;
}

/** The part of a context that a client requests, and its form. */
export interface WatchInterest {
  /** Absent: the whole document. */
  readonly scope?: Projection | undefined;
  /** What comes whole, and not as splices. */
  readonly whole?: Whole | undefined;
}

/** The part of an answer that a client requested. Synchronous where nothing must be read. */
export function fit(
  result: SyncResult,
  interest: WatchInterest,
  values: WholeValues,
): SyncResult | Promise<SyncResult> {
  const { scope } = interest;
  if (result.kind === 'full' && scope) return { ...result, view: projectView(result.view, scope) };
  if (result.kind !== 'delta') return result;
  const delta = projectDeltaFor(result.delta, interest, values);
  return delta instanceof Promise ? delta.then((later) => ({ kind: 'delta', delta: later })) : { kind: 'delta', delta };
}

export function projectDeltaFor(delta: DeltaView, { scope, whole }: WatchInterest, values: WholeValues) {
  const projectChanges = scope ? projectDelta(delta, scope) : delta;
  return whole ? values.of(projectChanges, whole) : projectChanges;
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

  /** Made once for all concurrent requests; synchronous where the result exists or there is nothing to replace. */
  of(delta: DeltaView, whole: Whole): DeltaView | Promise<DeltaView> {
    const { withoutSplices, deltas } = this.#made[whole];
    if (withoutSplices.has(delta)) return delta;
    const made = deltas.get(delta);
    if (made) return made;
    if (!hasSplices(changesOf(delta), whole)) {
      withoutSplices.add(delta);
      return delta;
    }
    const making = this.all([delta], whole).then(([unspliced = delta]) => unspliced);
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
  async all(deltas: readonly DeltaView[], whole: Whole): Promise<readonly DeltaView[]> {
    const made: DeltaView[] = [];
    let before: JsonObject | undefined;
    let bytes = 0;
    for (const delta of deltas) {
      if (bytes >= PAGE_BYTES) break;
      const changes = changesOf(delta);
      const splices = hasSplices(changes, whole);
      if (splices) before ??= await this.documentAt(delta.id, delta.from).catch(unlessGone);
      if (splices && !before) return deltas;
      const after = before && apply(changes, before);
      const payload = splices && before ? encodeChanges(unsplice(changes, whole, before, after)) : delta.payload;
      made.push(payload === delta.payload ? delta : { ...delta, payload });
      bytes += bytesOf([payload]);
      before = after;
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
