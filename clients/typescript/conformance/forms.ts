/** The driver's JSON and the client's words. */
import type { SyncResult, Target, UpdateOptions, WatchEvent } from '../src/api.js';

// biome-ignore lint/suspicious/noExplicitAny: each op knows its own arguments
export type Args = any;
export type Form = Record<string, unknown>;

export function event({ type, ...rest }: WatchEvent | SyncResult): Form {
  return { event: type, ...rest };
}

export function targets(args: Args): Target[] {
  return args.targets.map((target: Args) => (target.id !== undefined && !target.paths ? target.id : target));
}

export function writeOptions(args: Args): UpdateOptions {
  const { expected, checks, requestId, annotations, ttl, allowMissing, returning } = args;
  return { expected, checks, requestId, annotations, ttl, allowMissing, returning };
}

/** JSON, but for -0, of which JSON.stringify would make 0. Absent members are left out. */
export function write(value: unknown): string {
  if (Object.is(value, -0)) return '-0.0';
  if (Array.isArray(value)) return `[${value.map(write).join()}]`;
  if (typeof value !== 'object' || value === null || value instanceof Date) return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${write(member)}`).join()}}`;
}
