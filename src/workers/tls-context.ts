/**
 * TLS of workers: the engine reads the files and passes each context on, over the channel that passes the connections too.
 * So a connection that comes after a reload meets the new certificate in every worker; and since all of them seal session
 * tickets with the same keys, a client resumes its session at any of them.
 */
import type { SecureContextOptions } from 'node:tls';
import type { TlsContexts } from '../tls/certificates.js';

/** A context as text: the channel carries JSON. */
export interface TlsMessage {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  readonly minVersion: SecureContextOptions['minVersion'];
  readonly ciphers: string | undefined;
  /** In base64. */
  readonly ticketKeys: string;
}

export function messageOf({ cert, key, ca, minVersion, ciphers, ticketKeys }: SecureContextOptions): TlsMessage {
  return {
    ...{ cert: `${cert}`, key: `${key}`, ...(ca && { ca: `${ca}` }), minVersion, ciphers },
    ticketKeys: ticketKeys!.toString('base64'),
  };
}

/** The contexts that a worker has from its engine. */
export class PassedContexts implements TlsContexts {
  context: SecureContextOptions;
  readonly #listeners: ((context: SecureContextOptions) => void)[] = [];

  constructor(first: TlsMessage) {
    this.context = contextOf(first);
  }

  get asksClients(): boolean {
    return this.context.ca !== undefined;
  }

  onChange(listener: (context: SecureContextOptions) => void): void {
    this.#listeners.push(listener);
  }

  take(message: TlsMessage): void {
    this.context = contextOf(message);
    for (const listener of this.#listeners) listener(this.context);
  }
}

function contextOf({ ticketKeys, ...context }: TlsMessage): SecureContextOptions {
  return { ...context, ticketKeys: Buffer.from(ticketKeys, 'base64') };
}
