/**
 * The forms in which clients want what they lack: parts of documents, other formats of deltas. Each is made once for
 * all who ask for it, and kept as long as that which it was made from. Who asks for neither pays nothing.
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

/** How a client wants deltas to be written. */
export interface DeltaForm {
  /** Equal for equal forms of one server. */
  readonly key: string;
  readonly oldValues: boolean;
  /** Absent: the changes as they are. */
  readonly format?: Format & { readonly name: string };
}

export const PLAIN: DeltaForm = { key: 'changes', oldValues: false };
const WITH_OLDS: DeltaForm = { key: 'changes, old values', oldValues: true };

/** One's own formats, by name. A function alone gets lists as splices. */
export type Formatters = Readonly<Record<string, Formatter | Format>>;

/** All formats of a server, by their names. */
export class Formats {
  readonly #forms = new Map<string, readonly [plain: DeltaForm, withOlds: DeltaForm]>([
    ['changes', [PLAIN, WITH_OLDS]],
  ]);

  /** Throws TypeError where a name is no name, or taken, or stands for no function. */
  constructor(own: Formatters = {}) {
    const all = { flat, json_patch: jsonPatch, merge_patch: mergePatch };
    for (const [name, format] of [...Object.entries(all), ...Object.entries(own)]) {
      if (!/^[\w.-]{1,64}$/.test(name)) throw new TypeError(`${JSON.stringify(name)} is no name for a delta format`);
      if (this.#forms.has(name)) throw new TypeError(`there is a delta format ${name} already`);
      const named = { name, ...(typeof format === 'function' ? { format } : format) };
      if (typeof named.format !== 'function') throw new TypeError(`the delta format ${name} is no function`);
      const form = (oldValues: boolean): DeltaForm => ({ key: `${name}, ${oldValues}`, oldValues, format: named });
      this.#forms.set(name, [form(false), form(true)]);
    }
  }

  /** The form that a request asks for. INVALID_ARGUMENT where the name is unknown. */
  form(name: string, oldValues: boolean, field = 'format'): DeltaForm {
    const forms = this.#forms.get(name || 'changes');
    if (!forms)
      throw invalid(field, `${JSON.stringify(name)} is unknown; there are ${[...this.#forms.keys()].join(', ')}`);
    return forms[oldValues ? 1 : 0];
  }
}

/** More than this many bytes no client receives by default, and a document never has. */
const FORMATTED_BYTES_MAX = MESSAGE_BYTES_MAX - 65_536;

export class TooLarge extends Inexpressible {
  /** @param made how many bytes were made in vain */
  constructor(
    bytes: string,
    readonly made = 0,
  ) {
    super(`in this format it takes ${bytes} bytes, the limit is ${FORMATTED_BYTES_MAX}`);
  }
}

/** The bytes of a google.protobuf.Value; or why there are none. What a formatter throws is a defect of it. */
export function formatDelta(
  view: DeltaView,
  { name, format, wholeLists, bytesAtLeast }: NonNullable<DeltaForm['format']>,
  oldValues: boolean,
): Uint8Array | Inexpressible {
  const changes = changesOf(view);
  if (wholeLists && hasSplices(changes)) return new Inexpressible('the lists that changed are no longer at hand');
  const delta = { contextId: view.id, changes, oldValues };
  try {
    const least = bytesAtLeast?.(delta) ?? 0;
    if (least > FORMATTED_BYTES_MAX) return new TooLarge(`at least ${least}`);
    const value = format(delta);
    if (value instanceof Inexpressible) return value;
    if (deeper(value, MAX_DEPTH)) return new Inexpressible(`in this format it nests deeper than ${MAX_DEPTH} levels`);
    const bytes = encodeValue(value);
    if (bytes.length <= FORMATTED_BYTES_MAX) return bytes;
    return new TooLarge(`${bytes.length}`, bytes.length);
  } catch (cause) {
    throw new Error(`the delta format ${name} failed`, { cause });
  }
}

/** So many scopes of one delta or document are kept: many readers may each have one of their own. */
const SCOPES_MAX = 8;

const narrowed = new WeakMap<object, Map<string, DeltaView | View>>();

/** The delta of the document cut down to a scope; perhaps without changes. */
export function projectDelta(delta: DeltaView, scope: Projection): DeltaView {
  return once(delta, scope, () => {
    return { ...delta, payload: encodeChanges(projectChanges(changesOf(delta), scope)) };
  });
}

/** The document cut down to a scope. */
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

/** What a client wants to hear of a context. */
export interface WatchInterest {
  /** Absent: everything. */
  readonly scope?: Projection | undefined;
  /** Lists that changed come whole, not as splices. */
  readonly wholeLists?: boolean | undefined;
}

/** What of an answer a client wants to hear. At once where nothing must be read for it. */
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

/** Deltas with whole lists that are kept: those of late, since lists may be large. */
const WHOLE_MAX = 16;

/** Puts whole lists in place of splices, where what it takes is still retained; else the splices stay. */
export class WholeLists {
  readonly #made = new Map<DeltaView, DeltaView | Promise<DeltaView>>();
  readonly #withoutSplices = new WeakSet<DeltaView>();

  constructor(private readonly documentAt: (id: string, position: Position) => Promise<JsonObject>) {}

  /** Made once for all who ask at about the same time; at once where it was made before or there is nothing to do. */
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
   * The same for deltas of one context that follow upon one another: one document is read for all. Ends early, but not
   * before the first one, where they have grown to the bytes of a page.
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

/** Why there is no document of an earlier version: it is gone, or too far away. */
const GONE: readonly Reason[] = ['NOT_FOUND', 'FAILED_PRECONDITION', 'RESOURCE_EXHAUSTED'];

function unlessGone(error: unknown): undefined {
  if (error instanceof ChordError && GONE.includes(error.reason)) return;
  throw error;
}
