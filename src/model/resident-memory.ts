let last = 0;

/** Resident memory of this process, in bytes: as it was last, where the kernel cannot be asked for want of a file descriptor. */
export function residentBytes(): number {
  try {
    last = process.memoryUsage.rss();
  } catch {}
  return last;
}
