/** What a command is given. A file of commands/ holds one command: its options, its help and what it does. */
import type { Session } from './client/client.js';
import type { Output } from './output/output.js';

export interface CommandContext {
  /** The arguments of the process, without its own names. */
  readonly args: readonly string[];
  /** Where results and notes go, once the options are known. */
  out(): Output;
  /** Runs a command's work with a connection to a server, and closes the connection. */
  connected(work: (session: Session) => Promise<void>): Promise<void>;
  /** Sets the exit code of a command that does not fail by an exception. */
  exitWith(code: number): void;
}
