/** How a run is to be made. */
export interface Plan {
  /** Seconds that one round of a closed loop takes. */
  readonly seconds: number;
  readonly rounds: number;
  /** Work that takes long is cut down. */
  readonly quick: boolean;
  /** How far it is: replaced by the next word. */
  readonly progress: (text: string) => void;
  /** For people to keep: what was left out, and why. */
  readonly note: (line: string) => void;
}
