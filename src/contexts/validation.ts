/** Validation of requests. Each check throws INVALID_ARGUMENT that names the field. */
import { invalid } from '../model/errors.js';
import { ID_BYTES_MAX } from '../model/model.js';

const REQUEST_ID_BYTES_MAX = 128;
const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 1000;
const TTL_MAX = 100 * 365 * 86_400_000;
/** The time to live of a member, in milliseconds. */
const MEMBER_TTL_MIN = 1000;
const MEMBER_TTL_MAX = 365 * 86_400_000;

/** A page of documents or deltas ends at about this many bytes, far below the default limit of gRPC clients. */
export const PAGE_BYTES = 1 << 20;

/**
 * The most that the merge of deltas for a document of this weight may cost, as `mergeCost` counts. Beyond it, the document is
 * sent and the deltas are not decoded: so no sync costs more than about three times the document.
 */
export function mergeCostMax(weight: number): number {
  return weight + 8192;
}

/** What each delta costs beside its bytes: a byte of a document takes some 10 ns to encode, a small delta 1.5 us to merge. */
export const DELTA_COST = 64;

export function checkId(id: string, field = 'id'): void {
  if (id === '') throw invalid(field, 'must not be empty');
  checkText(id, field, ID_BYTES_MAX);
}

/** Whether the text is a valid context id. */
export function isId(text: string): boolean {
  return text !== '' && Buffer.byteLength(text) <= ID_BYTES_MAX && !text.includes('\0') && text.isWellFormed();
}

export function checkPrefix(prefix: string): void {
  checkText(prefix, 'prefix', ID_BYTES_MAX);
}

export function checkRequestId(requestId: string): void {
  checkText(requestId, 'requestId', REQUEST_ID_BYTES_MAX);
}

export function checkTtl(ttl: number): void {
  if (!(ttl >= 0 && ttl <= TTL_MAX)) throw invalid('ttl', 'must be between 0 and 100 years');
}

export function checkMemberTtl(ttl: number, field: string): void {
  if (!(ttl >= MEMBER_TTL_MIN && ttl <= MEMBER_TTL_MAX)) throw invalid(field, 'must be between 1 second and 365 days');
}

export function pageSize(asked: number): number {
  if (asked < 0 || asked > PAGE_SIZE_MAX) throw invalid('pageSize', `must be between 0 and ${PAGE_SIZE_MAX}`);
  return asked || PAGE_SIZE_DEFAULT;
}

function checkText(text: string, field: string, bytesMax: number): void {
  // A UTF-16 unit takes at most three bytes in UTF-8: most texts need no byte count.
  if (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax) {
    throw invalid(field, `is longer than ${bytesMax} bytes`);
  }
  if (text.includes('\0')) throw invalid(field, 'must not contain NUL');
  if (!text.isWellFormed()) throw invalid(field, 'is not valid Unicode');
}
