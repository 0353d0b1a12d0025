/** The ops on a page of a browser: `chromium.ts` hands it the lines of the suite. */
import { connect, Replica } from '../src/web.js';
import { answer, type Driven } from './ops.js';

const web: Driven = {
  // Longer than elsewhere: Chromium hands an upload from process to process, in small pieces.
  connect: async ({ address, token, deadline = 30_000, attempts }) =>
    connect(address, { token, deadline, ...(attempts && { retry: { attempts } }) }),
  replica: (client, targets) => new Replica(client, targets),
};

Object.assign(globalThis, { answer: (line: string) => answer(web, line) });
