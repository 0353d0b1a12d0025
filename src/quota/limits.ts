/** Limits of a caller, as settings and rules give them. The rest of src/quota/ counts usage. */
import { z } from 'zod';
import { formatSize, parseSize } from '../model/units.js';

/** Whole numbers of at least 1; absent or Infinity: no limit. */
export interface Limits {
  /** Streams open at once: watches, and exports and restores of prefixes. */
  readonly streams?: number | undefined;
  /** Ids and prefixes in the subscriptions of all open watches. */
  readonly subscriptions?: number | undefined;
  /** Contexts that all open watches follow: those under a prefix count one by one. */
  readonly contexts?: number | undefined;
  /** Calls under way at once, without streams. */
  readonly calls?: number | undefined;
  /** Writes. A second's worth may come at once. */
  readonly writesPerSecond?: number | undefined;
  /** Bytes of requests, decompressed. A second's worth may come at once, or one larger request. */
  readonly bytesPerSecond?: number | undefined;
}

export type LimitName = keyof Limits;

const SHAPE = {
  streams: count('streams'),
  subscriptions: count('subscriptions'),
  contexts: count('contexts'),
  calls: count('calls'),
  writesPerSecond: count('writesPerSecond'),
  bytesPerSecond: limit('bytesPerSecond: expected a size of at least 1, like 64KiB, or off', parseSize),
} satisfies Record<LimitName, z.ZodType<number>>;

export const LIMIT_NAMES = Object.keys(SHAPE) as LimitName[];

/** An object as in a file: `{ "streams": 10, "bytesPerSecond": "1MiB", "calls": "off" }`. */
export const limitsSchema: z.ZodType<Limits, unknown> = z
  .strictObject(SHAPE, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `there is no limit ${issue.keys.join(', ')}, only ${LIMIT_NAMES.join(', ')}`
        : 'expected an object of limits',
  })
  .partial();

/**
 * @param at path of the object, for the message: `identities.ann.limits`
 * @throws Error that names the problem and its path
 */
export function parseLimits(json: unknown, at: string): Limits {
  const result = limitsSchema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new Error(`${at}${issue.path.length > 0 ? '.' : ': '}${issue.message}`);
}

/** `streams=10,bytesPerSecond=1MiB`; `none` without limits. */
export function formatLimits(limits: Limits): string {
  const parts = LIMIT_NAMES.flatMap((name) => {
    const value = limits[name];
    if (value === undefined) return [];
    return `${name}=${value === Infinity ? 'off' : name === 'bytesPerSecond' ? formatSize(value) : value}`;
  });
  return parts.join() || 'none';
}

/** Splits the text of formatLimits into names and values; the values stay unparsed text. */
export function splitLimits(text: string): Record<string, string> {
  if (text === 'none') return {};
  return Object.fromEntries(text.split(',').map((part) => [part.replace(/=.*/s, ''), part.replace(/^[^=]*=?/s, '')]));
}

function count(name: LimitName): z.ZodType<number, unknown> {
  const error = `${name}: expected a whole number of at least 1, or off`;
  return limit(error, (text) => (/^\d+$/.test(text) ? Number(text) : undefined));
}

function limit(error: string, parse: (text: string) => number | undefined): z.ZodType<number, unknown> {
  const read = (raw: unknown) => (raw === 'off' ? Infinity : typeof raw === 'string' ? parse(raw) : raw);
  const fits = (value: unknown) => value === Infinity || (Number.isSafeInteger(value) && (value as number) >= 1);
  return z.unknown().transform(read).pipe(z.custom<number>(fits, error));
}
