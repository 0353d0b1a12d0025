/** What a scenario gets. It throws where a client does not do what it must. */
import type { Driver } from './driver.js';
import type { Server } from './server.js';

export interface Stage {
  /** Connected to the server. */
  readonly driver: Driver;
  readonly server: Server;
  /** A context id, or the beginning of many, for this scenario and driver alone. */
  readonly id: string;
}

export type Scenario = (stage: Stage) => Promise<void>;

/** All drivers at once, on one server; answers what went wrong, by driver. */
export type SharedScenario = (stages: readonly Stage[], id: string) => Promise<void>;
