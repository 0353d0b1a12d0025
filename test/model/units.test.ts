import test from 'ava';
import fc from 'fast-check';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/model/units.js';

test('durations are read as people write them', (t) => {
  const cases: [string, number | undefined][] = [
    ['500ms', 500],
    ['15s', 15_000],
    ['1.5s', 1500],
    ['6h', 21_600_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
    ['0', 0],
    ['15', undefined],
    ['s', undefined],
    ['', undefined],
    ['-1s', undefined],
    ['1s ', undefined],
    ['1w', undefined],
  ];
  for (const [text, ms] of cases) t.is(parseDuration(text), ms, text);
});

test('sizes are read as people write them', (t) => {
  const cases: [string, number | undefined][] = [
    ['64MiB', 67_108_864],
    ['64mib', 67_108_864],
    ['1GB', 1e9],
    ['1.5 KiB', 1536],
    ['4096', 4096],
    ['10B', 10],
    ['0', 0],
    ['', undefined],
    ['MiB', undefined],
    ['-1MB', undefined],
    ['1M', undefined],
    ['1 2MB', undefined],
  ];
  for (const [text, bytes] of cases) t.is(parseSize(text), bytes, text);
});

test('what is formatted reads back as the same amount', (t) => {
  const amount = fc.oneof(
    fc.nat(),
    fc.nat(5000).map((n) => n * 1000),
    fc.nat(5000).map((n) => n * 1024),
  );
  fc.assert(
    fc.property(amount, (n) => {
      t.is(parseDuration(formatDuration(n)), n);
      t.is(parseSize(formatSize(n)), n);
    }),
  );
  t.is(formatDuration(90_000), '90s');
  t.is(formatDuration(0), '0ms');
  t.is(formatSize(256 * 2 ** 20), '256MiB');
  t.is(formatSize(1e9), '1GB');
});
