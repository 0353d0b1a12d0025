/** Single values as text, safe to show on a terminal. */
import type { Position } from '../gen/chord/v1/model.js';
import type { Timestamp } from '../gen/google/protobuf/timestamp.js';

/** JSON, on one line without `indent`, with everything escaped that could steer a terminal or turn its text around. */
export function formatValue(value: unknown, indent = 0): string {
  return (JSON.stringify(value, null, indent) ?? '-').replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A context id as it stands, or in quotes where it holds spaces or control characters. */
export function formatId(id: string): string {
  return id === '' || /[\s\p{C}"]/u.test(id) ? formatValue(id) : id;
}

/** The inverse of parse.parsePath. */
export function formatPath(path: readonly string[]): string {
  return path.every((key) => /^[\p{L}\p{N}_$@:/-][\p{L}\p{N}_$@:/+*-]*$/u.test(key))
    ? path.join('.')
    : formatValue(path);
}

/** The inverse of parse.parsePosition. */
export function formatPosition(position: Position | undefined): string {
  if (!position) return '-';
  const { epoch, version, digest } = position;
  return epoch ? `${epoch}:${version}:${digest}` : String(version);
}

/** ISO 8601, in UTC. */
export function isoTime(time: Timestamp | undefined): string | undefined {
  return time && new Date(Number(time.seconds) * 1000 + time.nanos / 1e6).toISOString();
}
