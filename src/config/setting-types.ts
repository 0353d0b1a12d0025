/**
 * Setting types: how a setting is written in a flag, a variable or the file, which values are valid, and how the value
 * is printed.
 */
import { z } from 'zod';
import { formatTiers, parseTiers, type Tier, tiersProblem } from '../model/tiers.js';
import { formatDuration, formatSize, parseDuration, parseSize } from '../model/units.js';
import { formatLimits, type Limits, limitsSchema, splitLimits } from '../quota/limits.js';

/** One setting type. */
export interface SettingType<T> {
  /** Placeholder of the value in the help. */
  readonly placeholder: string;
  /** Validates a typed value, such as an option of startChord. */
  readonly value: z.ZodType<T>;
  /** Parses the value of a flag, a variable or the file. */
  readonly written: z.ZodType<T, unknown>;
  /** The inverse of `written`, for display. */
  readonly format: (value: T) => string;
}

export function hostPort(): SettingType<string> {
  const error = 'expected HOST:PORT, like 127.0.0.1:50051 or [::1]:50051';
  const value = z.string(error).refine((text) => {
    const port = /^(?:[^\s:[\]/]+|\[[0-9a-fA-F:.%]+\]):(\d{1,5})$/.exec(text)?.[1];
    return port !== undefined && Number(port) <= 65535;
  }, error);
  return { placeholder: 'HOST:PORT', value, written: value, format: String };
}

export function hostPortOrOff(): SettingType<string> {
  const { value: address } = hostPort();
  const value = z.string().refine((text) => text === 'off' || address.safeParse(text).success, {
    error: 'expected HOST:PORT, like 127.0.0.1:9464, or off',
  });
  return { placeholder: 'HOST:PORT|off', value, written: value, format: String };
}

/** Origins of pages, as browsers name them; none: []. Separated by commas, or a list in the file. */
export function origins(): SettingType<readonly string[]> {
  const error = 'expected origins like https://app.example.com, or none';
  const isOrigin = (text: string) => /^https?:\/\//.test(text) && URL.canParse(text) && new URL(text).origin === text;
  const value = z.array(z.string(error).refine(isOrigin, error), error);
  const split = (raw: string) => (raw === 'none' || raw === '' ? [] : raw.split(',').map((each) => each.trim()));
  const read = (raw: unknown) => (typeof raw === 'string' ? split(raw) : raw);
  const written = z.unknown().transform(read).pipe(value);
  return { placeholder: 'ORIGIN,...|none', value, written, format: (list) => list.join() || 'none' };
}

export function text(placeholder: string): SettingType<string> {
  const value = z.string('expected a string').min(1, 'must not be empty');
  return { placeholder, value, written: value, format: String };
}

/** A path; empty: none. */
export function file(): SettingType<string> {
  const value = z.string('expected a path, or none');
  const read = (raw: unknown) => (raw === 'none' ? '' : raw);
  const written = z.unknown().transform(read).pipe(value);
  return { placeholder: 'FILE|none', value, written, format: (path) => path || 'none' };
}

/** A text; empty: none. */
export function textOrNone(placeholder: string): SettingType<string> {
  return { ...file(), placeholder: `${placeholder}|none` };
}

/** A URL whose password is hidden when the setting is printed. */
export function secretUrl(): SettingType<string> {
  const format = (url: string) =>
    url
      .replace(/:\/\/([^:@/]*):[^@/]*@/g, '://$1:***@')
      .replace(/([?&][^=&]*(?:pass|secret|token)[^=&]*=)[^&]*/gi, '$1***');
  return { ...text('URL'), format };
}

/** The URL of an external store; empty: none. */
export function exportUrl(): SettingType<string> {
  const error = 'expected file:DIR, grpc[s]://HOST:PORT, or postgres://USER@HOST/DATABASE';
  const value = z.string(error).regex(/^$|^file:.|^grpcs?:\/\/[^/]+:\d{1,5}$|^postgres(ql)?:\/\//, error);
  const { placeholder, format } = secretUrl();
  const read = (raw: unknown) => (raw === 'none' ? '' : raw);
  const written = z.unknown().transform(read).pipe(value);
  return { placeholder: `${placeholder}|none`, value, written, format: (url) => (url === '' ? 'none' : format(url)) };
}

export function choice<const T extends string>(values: readonly T[]): SettingType<T> {
  const value = z.enum(values, `expected one of ${values.join(', ')}`);
  return { placeholder: values.length < 4 ? values.join('|') : 'LEVEL', value, written: value, format: String };
}

/** One or more of `values`: separated by commas, or a list in the file. */
export function choices<const T extends string>(values: readonly T[]): SettingType<readonly T[]> {
  const error = `expected some of ${values.join(', ')}`;
  const value = z.array(z.enum(values, error), error).min(1, error);
  const read = (raw: unknown) => (typeof raw === 'string' ? raw.split(',').map((each) => each.trim()) : raw);
  const written = z.unknown().transform(read).pipe(value);
  return { placeholder: 'NAME,...', value, written, format: (chosen) => chosen.join() };
}

export function count(min: number, max: number): SettingType<number> {
  const parse = (text: string) => (/^\d+$/.test(text) ? Number(text) : undefined);
  return amount('N', 'a whole number', parse, String, min, max, true);
}

/** A whole number, or `auto`. */
export function countOrAuto(min: number, max: number): SettingType<number | 'auto'> {
  const kind = count(min, max);
  return {
    placeholder: 'N|auto',
    value: z.union([z.literal('auto'), kind.value], 'expected a whole number, or auto'),
    written: z.unknown().transform((raw, context): number | 'auto' => {
      if (raw === 'auto') return raw;
      const read = kind.written.safeParse(raw);
      if (read.success) return read.data;
      for (const { message } of read.error.issues) context.addIssue(message);
      return z.NEVER;
    }),
    format: String,
  };
}

export function size(min: number, max: number): SettingType<number> {
  return amount('SIZE', 'a size like 64MiB or 1GB', parseSize, formatSize, min, max, true);
}

export function duration(min: number, max: number): SettingType<number> {
  return amount('DURATION', 'a duration like 500ms, 15s or 6h', parseDuration, formatDuration, min, max, false);
}

/** A duration of at least `min`, or 0, which is written `off`. */
export function durationOrOff(min: number, max: number): SettingType<number> {
  const kind = duration(0, max);
  const fits = (ms: number) => ms === 0 || ms >= min;
  const error = `must be off, or at least ${formatDuration(min)}`;
  const read = (raw: unknown) => (raw === 'off' ? '0' : raw);
  return {
    placeholder: 'DURATION|off',
    value: kind.value.refine(fits, error),
    written: z.unknown().transform(read).pipe(kind.written).refine(fits, error),
    format: (ms) => (ms === 0 ? 'off' : kind.format(ms)),
  };
}

/** Tiers of retention; none: []. */
export function tiers(): SettingType<readonly Tier[]> {
  const error = 'expected tiers like 1h:all,1d:1m,90d:1h, or none';
  const tier = z.object({ age: z.int(error), every: z.int(error) });
  const value = z.array(tier, error).superRefine((list, context) => {
    const problem = tiersProblem(list);
    if (problem) context.addIssue(problem);
  });
  const read = (raw: unknown) => (typeof raw === 'string' ? parseTiers(raw) : undefined);
  const written = z.unknown().transform(read).pipe(value);
  return { placeholder: 'AGE:PERIOD,...|none', value, written, format: formatTiers };
}

export function flag(): SettingType<boolean> {
  const value = z.boolean('expected true or false');
  const read = (raw: unknown) => (raw === 'true' ? true : raw === 'false' ? false : raw);
  return { placeholder: 'true|false', value, written: z.unknown().transform(read).pipe(value), format: String };
}

/** Written `streams=10,writesPerSecond=100`, or in the file as an object. */
export function limits(): SettingType<Limits> {
  const read = (raw: unknown) => (typeof raw === 'string' ? splitLimits(raw) : raw);
  const written = z.unknown().transform(read).pipe(limitsSchema);
  return { placeholder: 'LIMIT=N,...|none', value: limitsSchema, written, format: formatLimits };
}

function amount(
  placeholder: string,
  what: string,
  parse: (text: string) => number | undefined,
  format: (value: number) => string,
  min: number,
  max: number,
  numbersAllowed: boolean,
): SettingType<number> {
  const error = `expected ${what}`;
  const value = z
    .int(error)
    .min(min, `must be at least ${format(min)}`)
    .max(max, `must be at most ${format(max)}`);
  // A bare number in the file would be ambiguous by a factor of a thousand: a duration needs its unit.
  const read = (raw: unknown) => (typeof raw === 'string' ? parse(raw) : numbersAllowed ? raw : undefined);
  return { placeholder, value, written: z.unknown().transform(read).pipe(value), format };
}
