/** Durations and sizes in text form: `500ms`, `15s`, `6h`; `64MiB`, `1GB`. */

const MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const BYTES: Record<string, number> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/**
 * Milliseconds, or undefined where `text` is not a duration, or one that no integer of a double can count. Parts add up:
 * `1h30m`. A bare number is refused, since its unit would be a guess; only `0` needs no unit.
 */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) total += Number(number) * MS[unit!]!;
  return Number.isSafeInteger(Math.round(total)) ? Math.round(total) : undefined;
}

/** Bytes, or undefined where `text` is not a size. KB is 1000 bytes, KiB is 1024; a bare number counts bytes. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kmgt]?i?b)?$/i.exec(text);
  const factor = BYTES[match?.[2]?.toLowerCase() ?? 'b'];
  return match && factor ? Math.round(Number(match[1]) * factor) : undefined;
}

/** The shortest exact form with one unit: 90000 is `90s`. */
export function formatDuration(ms: number): string {
  return shortest(ms, [
    ['d', MS.d!],
    ['h', MS.h!],
    ['m', MS.m!],
    ['s', MS.s!],
    ['ms', 1],
  ]);
}

/** The shortest exact form with one unit: 65536 is `64KiB`, 1e9 is `1GB`. */
export function formatSize(bytes: number): string {
  return shortest(bytes, [
    ['GiB', BYTES.gib!],
    ['GB', BYTES.gb!],
    ['MiB', BYTES.mib!],
    ['MB', BYTES.mb!],
    ['KiB', BYTES.kib!],
    ['KB', BYTES.kb!],
    ['B', 1],
  ]);
}

function shortest(amount: number, units: readonly (readonly [string, number])[]): string {
  const [unit, factor] = units.find(([, factor]) => amount > 0 && amount % factor === 0) ?? units.at(-1)!;
  return `${amount / factor}${unit}`;
}
