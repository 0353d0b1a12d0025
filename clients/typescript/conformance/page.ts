/** The ops on a page of a browser: `chromium.ts` hands it the lines of the suite. */
import { connect, Replica } from '../src/web.js';
import { answer, type Driven } from './ops.js';

const web: Driven = {
  connect: async ({ address, token, deadline = 10_000, attempts }) =>
    connect(address, { token, deadline, ...(attempts && { retry: { attempts } }) }),
  replica: (client, targets) => new Replica(client, targets),
};

Object.assign(globalThis, { answer: (line: string) => answer(web, line) });
