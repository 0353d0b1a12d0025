/**
 * The log: one line for each event, on stderr. Never documents, tokens or passwords: a log call names its fields, and
 * of errors only a few named fields are kept.
 */
import pino, { type Logger } from 'pino';
import { escapeSteering } from '../model/text.js';

export interface LogOptions {
  readonly logLevel: string;
  /** `auto`: text on a terminal, JSON elsewhere. */
  readonly logFormat: 'auto' | 'json' | 'text';
}

const STDERR = 2;

export function isText({ logFormat }: LogOptions): boolean {
  return logFormat === 'text' || (logFormat === 'auto' && process.stderr.isTTY === true);
}

export function openLog(options: LogOptions): Logger {
  const stderr = pino.destination({ fd: STDERR, sync: true });
  const destination = isText(options)
    ? { write: (line: string) => void stderr.write(`${asText(JSON.parse(line))}\n`) }
    : { write: (line: string) => void stderr.write(`${escapeSteering(line.trimEnd())}\n`) };
  return pino({ level: options.logLevel, base: null, name: 'chord', serializers: { err: errorForm } }, destination);
}

interface ErrorForm {
  readonly type: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string | undefined;
  readonly cause?: ErrorForm | undefined;
}

/** Database clients attach to their errors the data that they were sending: only named fields are kept. */
export function errorForm(error: unknown): ErrorForm {
  if (!(error instanceof Error))
    return { type: typeof error, message: typeof error === 'string' ? error : 'not an error' };
  const { name, message, stack, cause } = error;
  const { code } = error as { code?: unknown };
  const known = typeof code === 'string' || typeof code === 'number';
  return {
    type: name,
    message,
    stack,
    ...(known && { code }),
    ...(cause !== undefined && { cause: errorForm(cause) }),
  };
}

/** `2026-11-27T12:00:00.000Z WARN call failed method=... code=UNAVAILABLE`, with the stack of an error below. */
export function asText({ level, time, name: _, msg, err, ...fields }: Record<string, unknown>): string {
  const when = new Date(time as number).toISOString();
  const label = (pino.levels.labels[level as number] ?? `${level}`).toUpperCase().padEnd(5);
  const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${word(value)}`);
  return `${when} ${label} ${msg}${pairs.join('')}${err ? `\n${stackOf(err as ErrorForm)}` : ''}`;
}

/**
 * The value as it is, or quoted where it could be taken for more than one word. JSON escapes the control characters of
 * terminals, except C1.
 */
function word(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=\p{C}]+$/u.test(value)) return value;
  return JSON.stringify(value).replace(/\p{C}/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function stackOf({ type, message, stack, cause }: ErrorForm): string {
  const own = `    ${(stack ?? `${type}: ${message}`).replaceAll('\n', '\n    ')}`;
  return cause ? `${own}\n    caused by\n${stackOf(cause)}` : own;
}
