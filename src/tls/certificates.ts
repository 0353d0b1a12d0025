/**
 * The certificates of a server, kept as they are on disk: whoever renews them only has to write the files. What
 * cannot be served is not taken on, and the server goes on with what it has.
 *
 * The files are read again and again, and compared by what stands in them. That sees every way of replacing them
 * (written in place, renamed over, a link that is swapped, a mount that notifies nobody), and a few kilobytes a second
 * cost nothing.
 */
import type { SecureContextOptions } from 'node:tls';
import { type CertificateInfo, checkTls, readTls, type TlsBytes, type TlsFiles } from './pem.js';

export interface CertificatesOptions {
  readonly files: TlsFiles;
  /** Hears of each pair that is taken on, the first included. */
  readonly onLoaded: (info: CertificateInfo) => void;
  /** Hears once of whatever keeps new files from being taken on. */
  readonly onRefused: (error: Error) => void;
  /** Hears once that the pair in use is near its end, or beyond. */
  readonly onExpiring: (info: CertificateInfo) => void;
  /** Milliseconds between two looks at the files. */
  readonly lookEvery?: number;
}

const LOOK_EVERY = 1000;
/** A certificate that is in use and has less than this part of its life left has been forgotten by whoever renews it. */
const LAST_PART = 0.1;

export class Certificates {
  #used: TlsBytes;
  #context: SecureContextOptions;
  #info: CertificateInfo;
  /** What the last look saw, and why it was refused. */
  #seen: TlsBytes | Error | undefined;
  #refused: string | undefined;
  #warned = false;
  #timer: NodeJS.Timeout | undefined;
  #listener: (context: SecureContextOptions) => void = () => {};

  /** @throws FAILED_PRECONDITION where the files cannot be served */
  static async open(options: CertificatesOptions): Promise<Certificates> {
    const certificates = new Certificates(options, await readTls(options.files));
    certificates.#lookLater();
    return certificates;
  }

  private constructor(
    private readonly options: CertificatesOptions,
    bytes: TlsBytes,
  ) {
    const { context, info } = checkTls(bytes, options.files, Date.now());
    this.#used = bytes;
    this.#context = context;
    this.#info = info;
    options.onLoaded(info);
  }

  /** For connections from now on. */
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
    this.#listener = listener;
  }

  /** Takes on what is on disk now. @throws FAILED_PRECONDITION, and goes on with what it has */
  async reload(): Promise<void> {
    this.#take(await readTls(this.options.files));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #lookLater(): void {
    this.#timer = setTimeout(async () => {
      await this.#look();
      if (this.#timer) this.#lookLater();
    }, this.options.lookEvery ?? LOOK_EVERY);
  }

  async #look(): Promise<void> {
    const before = this.#seen;
    const now = await readTls(this.options.files).catch((error: Error) => error);
    this.#seen = now;
    // Certificate and key are two files: what has just changed may be half of it.
    if (!before || !alike(before, now)) return;
    try {
      if (now instanceof Error) throw now;
      this.#take(now);
      this.#refused = undefined;
    } catch (error) {
      const refused = error as Error;
      if (this.#refused !== refused.message) this.options.onRefused(refused);
      this.#refused = refused.message;
    }
    this.#warnOfEnd();
  }

  #take(bytes: TlsBytes): void {
    if (same(bytes, this.#used)) return;
    const { context, info } = checkTls(bytes, this.options.files, Date.now());
    this.#used = bytes;
    this.#context = context;
    this.#info = info;
    this.#warned = false;
    this.#listener(context);
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

function alike(a: TlsBytes | Error, b: TlsBytes | Error): boolean {
  if (a instanceof Error || b instanceof Error)
    return a instanceof Error && b instanceof Error && a.message === b.message;
  return same(a, b);
}

function same(a: TlsBytes, b: TlsBytes): boolean {
  return a.cert.equals(b.cert) && a.key.equals(b.key) && (a.clientCa === undefined || a.clientCa.equals(b.clientCa!));
}
