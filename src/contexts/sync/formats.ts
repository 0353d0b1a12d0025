/** Delta formats of answers, by name, and deltas in them. */
import { decodeChanges } from '../../codec/changes.js';
import { encodeValue } from '../../codec/struct.js';
import { encodeValueInSteps } from '../../codec/struct-steps.js';
import { flat } from '../../delta/formats/flat.js';
import { type Format, type Formatter, Inexpressible } from '../../delta/formats/format.js';
import { jsonPatch } from '../../delta/formats/json-patch.js';
import { mergePatch } from '../../delta/formats/merge-patch.js';
import type { Change } from '../../delta/types.js';
import { hasSplices, type Whole } from '../../delta/whole-values.js';
import { invalid } from '../../model/errors.js';
import { type Json, MAX_DEPTH, MESSAGE_BYTES_MAX } from '../../model/model.js';
import type { DeltaView } from '../events.js';
import { inSteps, type Pace, paced, SMALL_BYTES } from '../long-work.js';
import { deeper } from '../writes/value-limits.js';
import { bytesOf, decodeInSteps } from './merge.js';

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

export type FormattedForm = DeltaForm & { readonly format: NamedFormat };

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

type Formatted = Uint8Array | Inexpressible;

/** Large deltas that were formatted in steps, by form. */
const ahead = new WeakMap<DeltaView, Map<string, Formatted>>();

/** The bytes of a google.protobuf.Value; or why there are none. An error that a formatter throws is a defect. */
export function formatDelta(view: DeltaView, form: FormattedForm): Formatted {
  const made = ahead.get(view)?.get(form.key);
  if (made) return made;
  const changes = decodeChanges(view.payload.changes, view.payload.olds);
  try {
    const value = valueIn(view.id, changes, form);
    return value instanceof Inexpressible ? value : unlessTooLarge(encodeValue(value));
  } catch (cause) {
    throw failed(form, cause);
  }
}

/** Formats a large delta in steps, for `formatDelta` to find. Answers a promise to await, or undefined. */
export function formatAhead(view: DeltaView, form: DeltaForm): Promise<void> | undefined {
  if (!isFormatted(form) || bytesOf([view.payload]) <= SMALL_BYTES) return undefined;
  return paced((pace) => formatInSteps(view, form, pace));
}

export function isFormatted(form: DeltaForm): form is FormattedForm {
  return form.format !== undefined;
}

async function formatInSteps(view: DeltaView, form: FormattedForm, pace: Pace): Promise<void> {
  let forms = ahead.get(view);
  if (!forms) {
    forms = new Map();
    ahead.set(view, forms);
  }
  if (forms.has(form.key)) return;
  const changes = await decodeInSteps(view.payload, pace);
  await pace.turn();
  try {
    const value = valueIn(view.id, changes, form);
    await pace.turn();
    const made =
      value instanceof Inexpressible ? value : unlessTooLarge(await inSteps(encodeValueInSteps(value), pace));
    forms.set(form.key, made);
  } catch (cause) {
    throw failed(form, cause);
  }
}

function failed({ format: { name } }: FormattedForm, cause: unknown): Error {
  return new Error(`the delta format ${name} failed`, { cause });
}

function valueIn(
  contextId: string,
  changes: Change[],
  { format: named, oldValues }: FormattedForm,
): Json | Inexpressible {
  const { format, bytesAtLeast, whole } = named;
  if (whole && hasSplices(changes, whole)) return new Inexpressible(`the changed ${whole} are no longer retained`);
  const delta = { contextId, changes, oldValues };
  const least = bytesAtLeast?.(delta) ?? 0;
  if (least > FORMATTED_BYTES_MAX) return new TooLarge(`at least ${least}`);
  const value = format(delta);
  const deep = !(value instanceof Inexpressible) && deeper(value, MAX_DEPTH);
  return deep ? new Inexpressible(`the formatted delta nests deeper than ${MAX_DEPTH} levels`) : value;
}

function unlessTooLarge(bytes: Uint8Array): Formatted {
  return bytes.length <= FORMATTED_BYTES_MAX ? bytes : new TooLarge(`${bytes.length}`, bytes.length);
}
