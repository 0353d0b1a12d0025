/**
 * What reaches the block device: its own counter of sectors, so that what only sits in the page cache does not count, and
 * what the file system adds does. It is that of the whole machine: other programs' writes are in it.
 */
import { readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Of /proc/diskstats, whatever the device's own sectors are. */
const SECTOR_BYTES = 512;

/** Written so far to the device with the temporary directories; undefined where that is none, or one that is not counted. */
export function deviceBytes(): number | undefined {
  const line = readFileSync('/proc/diskstats', 'utf8')
    .split('\n')
    .map((each) => each.trim().split(/\s+/))
    .find(([major, minor]) => Number(major) === DEVICE.major && Number(minor) === DEVICE.minor);
  return line && Number(line[9]) * SECTOR_BYTES;
}

/** Bytes a second that other programs write, while nothing is measured. */
export async function deviceNoise(seconds = 2): Promise<number> {
  const before = deviceBytes() ?? 0;
  await sleep(seconds * 1000);
  return ((deviceBytes() ?? 0) - before) / seconds;
}

const DEVICE = numbersOf(statSync(tmpdir()).dev);

/** As glibc packs both into one number. */
function numbersOf(device: number): { readonly major: number; readonly minor: number } {
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}
