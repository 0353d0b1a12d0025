/** Times as protobuf has them, from milliseconds and back. */
import type { Duration } from '../../gen/google/protobuf/duration.js';
import type { Timestamp } from '../../gen/google/protobuf/timestamp.js';
import { invalid } from '../../model/errors.js';

export function toTimestamp(at: number): Timestamp {
  const seconds = Math.floor(at / 1000);
  return { seconds, nanos: Math.round((at - seconds * 1000) * 1e6) };
}

export function toDuration(milliseconds: number): Duration {
  const seconds = Math.trunc(milliseconds / 1000);
  return { seconds, nanos: Math.round((milliseconds - seconds * 1000) * 1e6) };
}

/**
 * Milliseconds; undefined where the field is absent. Seconds and nanos have one sign, and nanos are less than a second:
 * others might cancel out to 0, which means something else than they do.
 */
export function fromDuration(duration: Duration | undefined, field: string): number | undefined {
  if (!duration) return undefined;
  const { seconds, nanos } = duration;
  if (!(Math.abs(nanos) < 1e9) || seconds * nanos < 0)
    throw invalid(field, 'is not a valid duration: seconds and nanos must have one sign, nanos less than a second');
  return seconds * 1000 + nanos / 1e6;
}

const SECONDS_MAX = 253_402_300_799; // the year 9999, as the .proto of Timestamp has it

/** Milliseconds since 1970, rounded down. */
export function fromTimestamp({ seconds, nanos }: Timestamp, field: string): number {
  if (!(seconds >= 0 && seconds <= SECONDS_MAX && nanos >= 0 && nanos < 1e9))
    throw invalid(field, 'is not a time from 1970 to 9999');
  return seconds * 1000 + Math.floor(nanos / 1e6);
}
