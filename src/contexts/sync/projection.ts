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
import { hasSplices, unsplice } from '../../delta/whole-lists.js';
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
  readonly format?: Format & { readonly name: string };
}

export const PLAIN: DeltaForm = { key: 'changes', oldValues: false };
const WITH_OLDS: DeltaForm = { key: 'changes, old values', oldValues: true };

/** Custom formats by name. A plain function receives lists as splices. */
export type Formatters = Readonly<Record<string, Formatter | Format>>;

/** All formats of a server, by name. */
export class Formats {
  readonly #forms = new Map<string, readonly [plain: DeltaForm, withOlds: DeltaForm]>([
    ['changes', [PLAIN, WITH_OLDS]],
  ]);

  /** Throws TypeError where a name is invalid or already used, or its format is not a function. */
  constructor(own: Formatters = {}) {
    const all = { flat, json_patch: jsonPatch, merge_patch: mergePatch };
    for (const [name, format] of [...Object.entries(all), ...Object.entries(own)]) {
      if (!/^[\w.-]{1,64}$/.test(name)) throw new TypeError(`${JSON.stringify(name)} is not a valid delta format name`);
      if (this.#forms.has(name)) throw new TypeError(`the delta format ${name} already exists`);
      const named = { name, ...(typeof format === 'function' ? { format } : format) };
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
  { name, format, wholeLists, bytesAtLeast }: NonNullable<DeltaForm['format']>,
  oldValues: boolean,
): Uint8Array | Inexpressible {
  const changes = changesOf(view);
  if (wholeLists && hasSplices(changes)) return new Inexpressible('the changed lists are no longer retained');
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
  /** Changed lists come whole, not as splices. */
  readonly wholeLists?: boolean | undefined;
}

/** The part of an answer that a client requested. Synchronous where nothing must be read. */
export function fit(result: SyncResult, interest: WatchInterest, lists: WholeLists): SyncResult | Promise<SyncResult> {
  const { scope, wholeLists } = interest;
  if (result.kind === 'full' && scope) return { ...result, view: projectView(result.view, scope) };
  if (result.kind !== 'delta') return result;
  const delta = projectDeltaFor(result.delta, { scope, wholeLists }, lists);
  return delta instanceof Promise ? delta.then((later) => ({ kind: 'delta', delta: later })) : { kind: 'delta', delta };
}

export function projectDeltaFor(delta: DeltaView, { scope, wholeLists }: WatchInterest, lists: WholeLists) {
  const projectChanges = scope ? projectDelta(delta, scope) : delta;
  return wholeLists ? lists.of(projectChanges) : projectChanges;
}

/** Recent deltas with whole lists that are kept; few, since lists may be large. */
const WHOLE_MAX = 16;

/** Replaces splices by whole lists while the needed versions are retained; otherwise the splices stay. */
export class WholeLists {
  readonly #made = new Map<DeltaView, DeltaView | Promise<DeltaView>>();
  readonly #withoutSplices = new WeakSet<DeltaView>();

  constructor(private readonly documentAt: (id: string, position: Position) => Promise<JsonObject>) {}

  /** Made once for all concurrent requests; synchronous where the result exists or there is nothing to replace. */
  of(delta: DeltaView): DeltaView | Promise<DeltaView> {
    if (this.#withoutSplices.has(delta)) return delta;
    const made = this.#made.get(delta);
    if (made) return made;
    if (!hasSplices(changesOf(delta))) {
      this.#withoutSplices.add(delta);
      return delta;
    }
    const making = this.all([delta]).then(([whole = delta]) => whole);
    const [oldest] = this.#made.keys();
    if (oldest && this.#made.size === WHOLE_MAX) this.#made.delete(oldest);
    this.#made.set(delta, making);
    making.then(
      (whole) => this.#made.has(delta) && this.#made.set(delta, whole),
      () => this.#made.delete(delta),
    );
    return making;
  }

  /**
   * The same for consecutive deltas of one context: one document is read for all of them. Ends early, but not before the
   * first delta, where the deltas have grown to the bytes of a page.
   */
  async all(deltas: readonly DeltaView[]): Promise<readonly DeltaView[]> {
    const made: DeltaView[] = [];
    let before: JsonObject | undefined;
    let bytes = 0;
    for (const delta of deltas) {
      if (bytes >= PAGE_BYTES) break;
      const changes = changesOf(delta);
      const splices = hasSplices(changes);
      if (splices) before ??= await this.documentAt(delta.id, delta.from).catch(unlessGone);
      if (splices && !before) return deltas;
      const after = before && apply(changes, before);
      const whole = splices && before ? { ...delta, payload: encodeChanges(unsplice(changes, before, after)) } : delta;
      made.push(whole);
      bytes += bytesOf([whole.payload]);
      before = after;
    }
    return made;
  }
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
