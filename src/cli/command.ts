/**
 * What a command gets from the program. Each file of commands/ holds one command: its options, its help and its action.
 */
import type { Session } from './client/client.js';
import type { Output } from './output/output.js';

export interface CommandContext {
  /** The arguments of the process, without the names of Node and the program. */
  readonly args: readonly string[];
  /** The output for results and notes; call after the options are parsed. */
  out(): Output;
  /** Runs the work of a command with a connection to a server, and closes the connection. */
  connected(work: (session: Session) => Promise<void>): Promise<void>;
  /** Sets the exit code of a command that does not throw. */
  exitWith(code: number): void;
}
