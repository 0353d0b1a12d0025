/**
 * Decodes large WatchContexts requests in steps: their subscriptions may hold a hundred thousand positions and paths. A large
 * message is decoded in pieces, between two fields: protobuf messages merge where their bytes are concatenated.
 */
import { decodeMessage } from '../../codec/message.js';
import { Reader, truncated } from '../../codec/reader.js';
import { Subscription, WatchContextsRequest } from '../../gen/chord/v1/sync_service.js';
import type { Steps } from '../../model/steps.js';

/** Tag of the field `subscriptions`. */
const SUBSCRIPTIONS = 0x0a;
const PIECE_BYTES = 16_384;

export function* decodeWatchInSteps(bytes: Buffer): Steps<WatchContextsRequest> {
  const reader = new Reader(bytes);
  const subscriptions: Subscription[] = [];
  const others: Buffer[] = [];
  while (reader.pos < reader.end) {
    const start = reader.pos;
    const tag = reader.varint();
    if (tag === SUBSCRIPTIONS) {
      subscriptions.push(yield* subscriptionInSteps(bytes, reader, reader.length(reader.end)));
    } else {
      reader.skip(tag, 0);
      others.push(bytes.subarray(start, reader.pos));
    }
  }
  return { ...decodeMessage(WatchContextsRequest, Buffer.concat(others)), subscriptions };
}

function* subscriptionInSteps(bytes: Buffer, reader: Reader, end: number): Steps<Subscription> {
  let whole: Subscription | undefined;
  do {
    const start = reader.pos;
    while (reader.pos < end && reader.pos - start < PIECE_BYTES) reader.skip(reader.varint(), 0);
    if (reader.pos > end) throw truncated();
    const part = decodeMessage(Subscription, bytes.subarray(start, reader.pos));
    if (whole) add(part, whole);
    else whole = part;
    yield reader.pos - start;
  } while (reader.pos < end);
  return whole;
}

function add({ target, known, paths }: Subscription, to: Subscription): void {
  if (target) to.target = target;
  for (const [id, position] of known) to.known.set(id, position);
  for (const path of paths) to.paths.push(path);
}
