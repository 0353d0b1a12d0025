/** The ops that need no server: the client's own code on bytes and values. */
import { base64Decode, base64Encode } from '@bufbuild/protobuf/wire';
import { apply as applyDelta, type ChordError } from '../src/api.js';
import { decodeError, detailsOf } from '../src/errors.js';
import { Delta } from '../src/gen/chord/v1/model.js';
import { WatchContextsResponse } from '../src/gen/chord/v1/sync_service.js';
import { fromDelta } from '../src/model.js';
import { decodeStruct, encodeStruct } from '../src/struct.js';
import { Tracker } from '../src/tracker.js';
import { type Args, event, type Form, targets } from './forms.js';

export function decode({ wire }: Args): Form {
  return { value: decodeStruct(bytes(wire)) };
}

export function encode({ value }: Args): Form {
  return { wire: base64Encode(encodeStruct(value)) };
}

export function apply({ document, wire }: Args): Form {
  return { value: applyDelta(fromDelta(Delta.decode(bytes(wire))), document) };
}

export function error({ code, message, details }: Args): Form {
  const decoded = decodeError(code, message, details ? detailsOf(bytes(details)) : []);
  return { error: errorForm(decoded), transient: decoded.transient };
}

export function errorForm({ reason, message, contextId, current, unmet, violations, retryAfter }: ChordError): Form {
  return { reason, message, contextId, current, unmet, violations, retryAfter };
}

export function track(args: Args): Form {
  const tracker = new Tracker(
    targets(args),
    new Map(Object.entries(args.known ?? {})),
    args.knownBytesMax ?? undefined,
  );
  return {
    steps: args.steps.map((step: { response?: string }) => {
      if (step.response === undefined)
        return { known: tracker.connect().map(({ known }) => Object.fromEntries(known)) };
      const events = tracker.take(WatchContextsResponse.decode(bytes(step.response)));
      return events ? { events: events.map(event) } : { events: [], gap: true };
    }),
  };
}

function bytes(base64: string): Uint8Array {
  return base64Decode(base64);
}
