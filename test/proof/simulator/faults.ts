/** How often things go wrong in a simulated history. Probabilities, each of one event. */
export interface Faults {
  /** Of a commit: the answer is lost. */
  readonly commitLost: number;
  /** Of a read: rejected. */
  readonly readFails: number;
  /** Of a message between servers. */
  readonly messageLost: number;
  readonly messageRepeated: number;
  /** The longest usual delay, in milliseconds. */
  readonly delayMax: number;
}
