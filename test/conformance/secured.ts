/** Scenarios on a server that wants TLS, a certificate and a token of each client. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newToken, tokenLine } from '../../src/auth/tokens.js';
import { Authority, HERE, type Pair, writePair } from '../support/certificates.js';
import { check, failure, like, same } from './expect.js';
import { resume } from './restarts.js';
import type { Scenario } from './scenario.js';
import { type Backend, Server } from './server.js';
import { Stream } from './stream.js';

const RULES = { identities: { driver: { grants: [{ prefix: '', rights: ['read', 'write', 'watch'] }] } } };

/** Transports report connections that do not come about so: all of them transient. */
const BROKEN = ['UNAVAILABLE', 'UNKNOWN', 'INTERNAL', 'CANCELLED'];

/** How a driver connects: see PROTOCOL.md. All are paths. */
export interface Access {
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly tokenFile: string;
}

export class SecuredServer {
  private constructor(
    private readonly folder: string,
    readonly server: Server,
    readonly access: Access,
    /** Nobody's: what clients must not get on with. */
    readonly strange: { readonly ca: string; readonly cert: string; readonly key: string },
  ) {}

  static async start(backend: Backend): Promise<SecuredServer> {
    const folder = await mkdtemp(join(tmpdir(), 'chord-secured-'));
    const write = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const [ca, stranger] = await Promise.all([Authority.create(), Authority.create('Strange CA')]);
    const own = async (name: string, pair: Promise<Pair>, { cert }: Authority) => ({
      ca: await write(`${name}-ca.pem`, cert),
      ...(await writePair(folder, name, await pair)),
    });
    const tls = await own('client', ca.issue({ names: ['driver@example.com'] }), ca);
    const strange = await own('stranger', stranger.issue(), stranger);
    const { cert, key } = await writePair(folder, 'server', await ca.issue({ names: HERE }));
    const token = newToken();
    const tokenFile = await write('token', token);
    const tokens = await write('tokens', `${tokenLine('driver', token)}\n`);
    const rules = await write('rules.json', JSON.stringify(RULES));
    const server = await Server.start(backend, [
      ...['--tls-cert', cert, '--tls-key', key, '--tls-client-ca', tls.ca],
      ...['--auth-tokens', tokens, '--auth-rules', rules],
    ]);
    return new SecuredServer(folder, server, { tls, tokenFile }, strange);
  }

  /** The driver gets another token, and the server forgets the one before. */
  async renewToken(): Promise<void> {
    const token = newToken();
    await this.#replace(this.access.tokenFile, token);
    await this.#replace(join(this.folder, 'tokens'), `${tokenLine('driver', token)}\n`);
  }

  async end(): Promise<void> {
    await this.server.end();
    await rm(this.folder, { recursive: true });
  }

  async #replace(path: string, text: string): Promise<void> {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }
}

type SecuredScenario = (secured: SecuredServer) => Scenario;

export const secured: Readonly<Record<string, SecuredScenario>> = {
  'TLS: resume after a stop': () => (stage) => resume(stage, 'SIGTERM'),

  'TLS: who is not let in':
    ({ access, strange }) =>
    async ({ driver, server, id }) => {
      const reasonOf = async (options: object, what: string): Promise<string> => {
        await driver.call('connect', { address: server.address, deadline: 20_000, attempts: 3, ...options });
        return (await failure(driver.call('get', { contextId: id }), what)).reason;
      };
      const unreached = async (options: object, what: string): Promise<void> => {
        const reason = await reasonOf(options, what);
        check(BROKEN.includes(reason), `${what}: got ${reason}`);
      };
      const { tls, tokenFile } = access;
      same(await reasonOf(access, 'all is well'), 'NOT_FOUND', 'all is well');
      await unreached({ tokenFile }, 'without TLS');
      await unreached({ tokenFile, tls: { ca: tls.ca } }, 'no certificate');
      await unreached({ tokenFile, tls: { ...strange, ca: tls.ca } }, "a stranger's certificate");
      await unreached({ tokenFile, tls: { ...tls, ca: strange.ca } }, 'an authority unknown');
      await unreached({ tokenFile, tls: { ...tls, serverName: 'chord.example' } }, 'another name');
      same(await reasonOf({ tls }, 'no token'), 'UNAUTHENTICATED', 'no token');
      same(await reasonOf({ tls, token: newToken() }, 'a token of nobody'), 'UNAUTHENTICATED', 'a token of nobody');
      await driver.call('connect', { address: server.address, tls });
      const { handle } = await driver.call('watch', { targets: [{ id }] });
      const refused = await failure(driver.call('next', { handle, timeout: 10_000 }), 'a watch without a token');
      same(refused.reason, 'UNAUTHENTICATED', 'a watch without a token');
    },

  'TLS: the author of a version':
    () =>
    async ({ driver, id }) => {
      const returning = { delta: true };
      const { delta } = await driver.call('set', { contextId: id, value: { n: 1 }, returning });
      like(delta, { provenance: { author: 'driver', annotations: {} } }, 'a delta');
      const { lines } = await driver.call('blame', { contextId: id });
      like(lines, [{ path: ['n'], provenance: { author: 'driver', annotations: {} } }], 'a line');
    },

  'TLS: a watch outlives its token':
    (secured) =>
    async ({ driver, id }) => {
      await driver.call('set', { contextId: id, value: { n: 1, rest: randomUUID().repeat(10) } });
      const stream = await Stream.open(driver, [{ id }]);
      await stream.next({ event: 'full' });
      await stream.next({ event: 'caughtUp' });
      await secured.renewToken();
      await stream.next({ event: 'caughtUp' }); // of a new connection
      await driver.call('update', { contextId: id, changes: { n: 2 } });
      like(await stream.next({ event: 'delta' }), { changes: [{ action: 'modified', path: ['n'] }] }, 'it goes on');
    },
};
