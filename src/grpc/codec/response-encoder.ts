/// <reference lib="es2024.string" />
/**
 * Encodes responses with documents and deltas directly to bytes: documents and changes are stored encoded and are only
 * copied, and one encoded event serves every stream with the same delta format. All other responses use the generated
 * code. test/grpc/codec/response-encoder.test.ts verifies that both encoders agree.
 */
import { spliceOlds } from '../../codec/changes.js';
import { BackWriter } from '../../codec/writer.js';
import type { DeltaView, FullReason, SyncResult, View } from '../../contexts/events.js';
import type { MemberExpiry } from '../../contexts/expiries.js';
import type { DeltaPage } from '../../contexts/pagination.js';
import { cutTo } from '../../contexts/pagination.js';
import {
  type DeltaForm,
  type FormattedForm,
  formatAhead,
  formatDelta,
  isFormatted,
  TooLarge,
} from '../../contexts/sync/formats.js';
import { PAGE_BYTES } from '../../contexts/validation.js';
import type { BatchedResult } from '../../contexts/writes/batch.js';
import type { WriteResult } from '../../contexts/writes/writes.js';
import type { Inexpressible } from '../../delta/formats/format.js';
import { Cause, FullReason as ProtoReason } from '../../gen/chord/v1/model.js';
import { DeletedReason, WaitContextResponse, WatchContextsResponse } from '../../gen/chord/v1/sync_service.js';
import { notFound } from '../../model/errors.js';
import type { Position } from '../../model/model.js';
import type { WatchEvent } from '../../watch/subscription.js';
import { toTimestamp } from './times.js';

const REASONS: Readonly<Record<FullReason, ProtoReason>> = {
  initial: ProtoReason.INITIAL,
  epoch_changed: ProtoReason.EPOCH_CHANGED,
  ahead: ProtoReason.AHEAD,
  diverged: ProtoReason.DIVERGED,
  history_truncated: ProtoReason.HISTORY_TRUNCATED,
  delta_larger: ProtoReason.DELTA_LARGER,
};

// Tags: field number << 3 | wire type, 0 for varints and 2 for length-delimited fields. All field numbers here are
// below 16.
const varint = (field: number): number => field << 3;
const sized = (field: number): number => (field << 3) | 2;

/** A reason may quote a path, and paths may be long: the reason is cut to this length. */
const REASON_CHARACTERS_MAX = 500;

const writer = new BackWriter();

/** SetContextResponse and UpdateContextResponse have the same fields; DeleteContextResponse has the first two. */
export function writeResponse(result: WriteResult, form: DeltaForm): Buffer {
  writer.reset();
  written(result, form);
  return Buffer.from(writer.peek());
}

/** BatchWriteResponse: its results have the fields of the write responses. */
export function batchResponse(
  writes: readonly { readonly id: string; readonly result: BatchedResult; readonly form: DeltaForm }[],
): Buffer {
  writer.reset();
  for (const { id, result, form } of writes.toReversed()) {
    inside(1, () => {
      const { head } = result;
      if (head) inside(3, () => context({ id, head }));
      written(result, form);
    });
  }
  return Buffer.from(writer.peek());
}

function written(result: WriteResult, form: DeltaForm): void {
  if (result.delta) inside(4, () => delta(result.delta as DeltaView, form));
  if (result.view) inside(3, () => context(result.view as View));
  if (result.changed) bool(2, true);
  if (result.position) position(1, result.position);
}

/** GetContextResponse. */
export function getResponse(view: View, expiries: readonly MemberExpiry[] = []): Buffer {
  writer.reset();
  for (const each of expiries.toReversed()) inside(2, () => expiry(each));
  inside(1, () => context(view));
  return Buffer.from(writer.peek());
}

/** SyncContextResponse. */
export function syncResponse(id: string, result: SyncResult, form: DeltaForm): Buffer {
  writer.reset();
  switch (result.kind) {
    case 'full':
      inside(1, () => full(result.view, result.reason));
      break;
    case 'delta':
      inside(2, () => delta(result.delta, form));
      break;
    case 'no_change':
      inside(3, () => position(1, result.position));
      break;
    case 'missing':
      throw notFound(id);
  }
  return Buffer.from(writer.peek());
}

/** WaitContextResponse: the fields of SyncContextResponse, and one more. */
export function waitResponse(id: string, result: SyncResult, form: DeltaForm, heldAt: number): Buffer {
  const last = WaitContextResponse.encode({ result: undefined, heldAt }).finish();
  return Buffer.concat([syncResponse(id, result, form), last]);
}

/** ListDeltasResponse, with deltas as changes. */
export function deltasResponse(page: DeltaPage, form: DeltaForm): Buffer {
  writer.reset();
  if (page.truncated) bool(4, true);
  position(3, page.head);
  text(2, page.nextPageToken);
  for (const view of page.deltas.toReversed()) inside(1, () => delta(view, form));
  return Buffer.from(writer.peek());
}

/**
 * The same in a delta format. A delta may be much larger in a delta format than as changes: such a page ends when its formatted bytes reach the
 * limit.
 */
export async function formattedPage(page: DeltaPage, form: FormattedForm): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for (const view of page.deltas) {
    if (bytes >= PAGE_BYTES) break;
    await formatAhead(view, form);
    const made = formatDelta(view, form);
    writer.reset();
    inside(1, () => delta(view, form, made));
    const part = Buffer.from(writer.peek());
    parts.push(part);
    bytes += part.length + (made instanceof TooLarge ? made.made : 0);
  }
  writer.reset();
  if (page.truncated) bool(4, true);
  position(3, page.head);
  text(2, cutTo(page, page.deltas.slice(0, parts.length)).nextPageToken);
  return Buffer.concat([...parts, writer.peek()]);
}

/** Encoded forms of the content of an event, shared by all streams that need the same form. */
const encoded = new WeakMap<object, Map<string, Buffer>>();
/** The form used last: during a fan-out the same form is needed many times in a row. */
let last: { content: object; form: string; bytes: Buffer } | undefined;

/** The field `more`, which ends a WatchContextsResponse. */
const MORE = Buffer.from([varint(8), 1]);

/** WatchContextsResponse. `more`: the next message belongs to the same batch. */
export function watchResponse(event: WatchEvent, form: DeltaForm, more: boolean): Buffer {
  const bytes = eventResponse(event, form);
  return more ? Buffer.concat([bytes, MORE]) : bytes;
}

function eventResponse(event: WatchEvent, form: DeltaForm): Buffer {
  switch (event.kind) {
    case 'delta':
      return (
        again(event.delta, form.key) ?? shared(event.delta, form.key, () => inside(2, () => delta(event.delta, form)))
      );
    case 'full':
      return (
        again(event.view, event.reason) ??
        shared(event.view, event.reason, () => inside(1, () => full(event.view, event.reason)))
      );
    default:
      return Buffer.from(WatchContextsResponse.encode({ event: sign(event), more: false }).finish());
  }
}

function sign(event: Exclude<WatchEvent, { kind: 'delta' | 'full' }>): WatchContextsResponse['event'] {
  switch (event.kind) {
    case 'deleted': {
      const reason = event.reason === 'expired' ? DeletedReason.EXPIRED : DeletedReason.DELETED;
      return { $case: 'deleted', value: { contextId: event.id, position: event.position, reason } };
    }
    case 'absent':
      return { $case: 'absent', value: { contextId: event.id } };
    case 'caught_up':
      return { $case: 'caughtUp', value: {} };
    case 'heartbeat':
      return { $case: 'heartbeat', value: { sentAt: event.at === undefined ? undefined : toTimestamp(event.at) } };
  }
}

function again(content: object, form: string): Buffer | undefined {
  return last?.content === content && last.form === form ? last.bytes : undefined;
}

function shared(content: object, form: string, write: () => void): Buffer {
  let forms = encoded.get(content);
  if (!forms) {
    forms = new Map();
    encoded.set(content, forms);
  }
  let bytes = forms.get(form);
  if (!bytes) {
    writer.reset();
    write();
    bytes = Buffer.from(writer.peek());
    forms.set(form, bytes);
  }
  last = { content, form, bytes };
  return bytes;
}

// Messages, written from the last field to the first.

function full(view: View, reason: FullReason): void {
  writer.varint(REASONS[reason]);
  writer.byte(varint(2));
  inside(1, () => context(view));
}

function context({ id, head, value }: Omit<View, 'value'> & Partial<View>): void {
  if (head.expiry) timestamp(6, head.expiry.at);
  timestamp(5, head.updatedAt);
  timestamp(4, head.createdAt);
  position(3, head.position);
  if (value) raw(2, value.bytes);
  text(1, id);
}

function delta(view: DeltaView, form: DeltaForm, made?: Uint8Array | Inexpressible): void {
  if (view.cause || view.provenance) inside(8, () => provenance(view));
  const format = isFormatted(form);
  if (format) formatted(made ?? formatDelta(view, form));
  timestamp(5, view.at);
  if (!format) writer.raw(form.oldValues ? spliceOlds(view.payload) : view.payload.changes);
  position(3, view.to);
  position(2, view.from);
  text(1, view.id);
}

/** Members expired: there is no other cause. */
function provenance(view: DeltaView): void {
  if (view.provenance) writer.raw(view.provenance);
  if (!view.cause) return;
  writer.varint(Cause.EXPIRED);
  writer.byte(varint(1));
}

function expiry({ path, at }: MemberExpiry): void {
  timestamp(2, at);
  inside(1, () => {
    for (const key of path.toReversed()) item(1, key);
  });
}

function formatted(made: Uint8Array | Inexpressible): void {
  if (made instanceof Uint8Array) raw(6, made);
  else text(7, made.why.slice(0, REASON_CHARACTERS_MAX).toWellFormed() || 'the format cannot express these changes');
}

function position(field: number, { epoch, version, digest }: Position): void {
  const before = writer.size;
  text(3, digest);
  if (version !== 0) {
    writer.varint(version);
    writer.byte(varint(2));
  }
  text(1, epoch);
  writer.length(before);
  writer.byte(sized(field));
}

function timestamp(field: number, at: number): void {
  const before = writer.size;
  const { seconds, nanos } = toTimestamp(at);
  if (nanos !== 0) {
    writer.varint(nanos);
    writer.byte(varint(2));
  }
  if (seconds !== 0) {
    writer.varint(seconds);
    writer.byte(varint(1));
  }
  writer.length(before);
  writer.byte(sized(field));
}

function text(field: number, value: string): void {
  if (value !== '') item(field, value);
}

/** An element of a repeated field, which may be empty. */
function item(field: number, value: string): void {
  writer.string(value);
  writer.byte(sized(field));
}

function raw(field: number, bytes: Uint8Array): void {
  writer.raw(bytes);
  writer.varint(bytes.length);
  writer.byte(sized(field));
}

function bool(field: number, value: boolean): void {
  writer.byte(value ? 1 : 0);
  writer.byte(varint(field));
}

function inside(field: number, write: () => void): void {
  const before = writer.size;
  write();
  writer.length(before);
  writer.byte(sized(field));
}
