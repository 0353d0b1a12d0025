/**
 * Clocks of one's own: whole milliseconds since 1970, asked for whenever Chord needs to know the time.
 *
 *     chord serve --plugin ./examples/clock.js
 *     CLOCK_START=2030-01-01 chord serve --plugin ./examples/clock.js
 *
 * or from code: `startChord({ clock })`. Expiry, cleanup and the times in documents go by it. It may jump: Chord takes no
 * harm, but what was to live for an hour lives as long as the clock says.
 */

/** Runs evenly from its start on, whatever happens to the system's time: no adjustment makes contexts expire early. */
export function steadyClock(start = Date.now()) {
  const offset = start - performance.now();
  return () => Math.floor(offset + performance.now());
}

/** Stands still until a test moves it: `clock.advance(3_600_000)` makes an hour pass at once. */
export function movableClock(now = Date.now()) {
  return Object.assign(() => now, {
    advance: (ms) => {
      now += ms;
    },
  });
}

const { CLOCK_START } = process.env;

export default { clock: steadyClock(CLOCK_START && Date.parse(CLOCK_START)) };
