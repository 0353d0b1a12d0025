/** Single values as text, safe to show on a terminal. */
import type { Position } from '../../gen/chord/v1/model.js';
import type { Timestamp } from '../../gen/google/protobuf/timestamp.js';
import { escapeSteering } from '../../model/text.js';

/** The text on one line; characters that could control a terminal are escaped. */
export function harmless(text: string): string {
  return escapeSteering(text);
}

/** JSON on one line, with escapes: equal JSON, but safe on a terminal. */
export function formatValue(value: unknown): string {
  return harmless(JSON.stringify(value) ?? '-');
}

/** JSON indented by two spaces, line by line. */
export function formatDocument(value: unknown): string[] {
  return JSON.stringify(value, null, 2).split('\n').map(harmless);
}

/** A context id, quoted where it contains spaces or control characters. */
export function formatId(id: string): string {
  return id === '' || /[\s\p{C}"]/u.test(id) ? formatValue(id) : id;
}

/** The inverse of parse.parsePath. */
export function formatPath(path: readonly string[]): string {
  return path.every((key) => /^[\p{L}\p{N}_$@:/+*-]+$/u.test(key)) ? path.join('.') : formatValue(path);
}

/** The inverse of parse.parsePosition. Version 0, before the first write, has no digest. */
export function formatPosition(position: Position | undefined): string {
  if (!position) return '-';
  const { epoch, version, digest } = position;
  return epoch && digest ? `${epoch}:${version}:${digest}` : String(version);
}

/** ISO 8601, in UTC. */
export function isoTime(time: Timestamp | undefined): string | undefined {
  return time && new Date(Number(time.seconds) * 1000 + time.nanos / 1e6).toISOString();
}
