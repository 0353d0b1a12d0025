/**
 * The certificates of a server, kept current with the files on disk: to renew a certificate, replace the files. Invalid
 * files are refused, and the server keeps its current certificates.
 */
import { randomBytes } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { FilePoller } from '../config/file-poller.js';
import { type CertificateInfo, checkTls, readTls, type TlsBytes, type TlsFiles } from './pem.js';

export interface CertificatesOptions {
  readonly files: TlsFiles;
  /** Called with each certificate that is put to use, the first included. */
  readonly onLoaded: (info: CertificateInfo) => void;
  /** Called once for each reason to refuse new files. */
  readonly onRefused: (error: Error) => void;
  /** Called once when the current certificate expires soon, or has expired. */
  readonly onExpiring: (info: CertificateInfo) => void;
  /** Milliseconds between two polls of the files. */
  readonly lookEvery?: number;
}

/** Where a server has its TLS contexts from. */
export interface TlsContexts {
  /** The context of new connections. */
  readonly context: SecureContextOptions;
  /** Whether clients must show a certificate. */
  readonly asksClients: boolean;
  /** Called with each later context. */
  onChange(listener: (context: SecureContextOptions) => void): void;
}

/** Keys that seal session tickets, in bytes. Node makes others for each context; the workers of a server must share them. */
const TICKET_KEY_BYTES = 48;
/** A certificate with less than this share of its lifetime left should have been renewed. */
const LAST_PART = 0.1;

export class Certificates implements TlsContexts {
  #used: TlsBytes;
  #context: SecureContextOptions;
  #info: CertificateInfo;
  /** The reason why the files were refused last. */
  #refused: string | undefined;
  #warned = false;
  readonly #poller: FilePoller;
  readonly #listeners: ((context: SecureContextOptions) => void)[] = [];

  /** @throws FAILED_PRECONDITION for invalid files */
  static async open(options: CertificatesOptions): Promise<Certificates> {
    return new Certificates(options, await readTls(options.files));
  }

  private constructor(
    private readonly options: CertificatesOptions,
    bytes: TlsBytes,
  ) {
    const { context, info } = checkTls(bytes, options.files, Date.now());
    this.#used = bytes;
    this.#context = withTicketKeys(context);
    this.#info = info;
    options.onLoaded(info);
    const { cert, key, clientCa } = options.files;
    this.#poller = new FilePoller({
      paths: [cert, key, ...(clientCa === '' ? [] : [clientCa])],
      changed: () => this.#look(),
      looked: () => this.#warnOfEnd(),
      ...(options.lookEvery !== undefined && { interval: options.lookEvery }),
    });
  }

  get context(): SecureContextOptions {
    return this.#context;
  }

  get info(): CertificateInfo {
    return this.#info;
  }

  get asksClients(): boolean {
    return this.options.files.clientCa !== '';
  }

  onChange(listener: (context: SecureContextOptions) => void): void {
    this.#listeners.push(listener);
  }

  /** Reads the files on disk now. @throws FAILED_PRECONDITION for invalid files, and keeps the current certificates */
  reload(): Promise<void> {
    return this.#poller.now(async () => this.#take(await readTls(this.options.files)));
  }

  close(): void {
    this.#poller.close();
  }

  async #look(): Promise<void> {
    try {
      this.#take(await readTls(this.options.files));
      this.#refused = undefined;
    } catch (error) {
      const refused = error as Error;
      if (this.#refused !== refused.message) this.options.onRefused(refused);
      this.#refused = refused.message;
    }
  }

  #take(bytes: TlsBytes): void {
    if (same(bytes, this.#used)) return;
    const { context, info } = checkTls(bytes, this.options.files, Date.now());
    this.#used = bytes;
    this.#context = withTicketKeys(context);
    this.#info = info;
    this.#warned = false;
    for (const listener of this.#listeners) listener(this.#context);
    this.options.onLoaded(info);
  }

  #warnOfEnd(): void {
    const from = this.#info.notBefore.getTime();
    const until = this.#info.notAfter.getTime();
    if (this.#warned || until - Date.now() > (until - from) * LAST_PART) return;
    this.#warned = true;
    this.options.onExpiring(this.#info);
  }
}

/** New keys for each context: what one authority of clients has let in does not resume under the next one. */
function withTicketKeys(context: SecureContextOptions): SecureContextOptions {
  return { ...context, ticketKeys: randomBytes(TICKET_KEY_BYTES) };
}

function same(a: TlsBytes, b: TlsBytes): boolean {
  return a.cert.equals(b.cert) && a.key.equals(b.key) && (a.clientCa === undefined || a.clientCa.equals(b.clientCa!));
}
