/**
 * Certificates for tests: authorities, and what they sign for servers and clients. Elliptic curve keys, so that
 * a test makes as many as it likes.
 */
import { KeyObject, randomBytes, webcrypto } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { X509Certificate as Certificate, Extension, JsonGeneralName } from '@peculiar/x509';

// The library asks for a polyfill of decorator metadata, and here never has any to look up.
const none = () => undefined;
Object.assign(Reflect, { getMetadata: none, getOwnMetadata: none, defineMetadata: none });
const x509 = await import('@peculiar/x509');

const KEYS = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
const { keyCertSign, cRLSign, digitalSignature } = x509.KeyUsageFlags;
const HOUR = 3_600_000;

/** As PEM. */
export interface Pair {
  /** The certificate, then those between it and its root. */
  readonly cert: string;
  readonly key: string;
}

export interface Wish {
  /** Common name. */
  readonly name?: string;
  /** Subject alternative names: IP addresses, URIs where they hold `:`, mail where they hold `@`, else DNS names. */
  readonly names?: readonly string[];
  readonly from?: Date;
  readonly until?: Date;
}

/** Where tests serve. */
export const HERE = ['localhost', '127.0.0.1'];
export const EXPIRED = { from: new Date(Date.now() - 2 * HOUR), until: new Date(Date.now() - HOUR) };
export const NOT_YET = { from: new Date(Date.now() + HOUR), until: new Date(Date.now() + 2 * HOUR) };

export class Authority {
  private constructor(
    /** PEM, as clients and servers are told to trust it. */
    readonly cert: string,
    private readonly parsed: Certificate,
    private readonly keys: webcrypto.CryptoKeyPair,
    /** PEM of the authorities between it and its root, itself first. */
    private readonly chain: string,
  ) {}

  static async create(name = 'Test CA'): Promise<Authority> {
    const keys = await newKeys();
    const extensions = [...authority(), await x509.SubjectKeyIdentifierExtension.create(keys.publicKey)];
    const cert = await x509.X509CertificateGenerator.createSelfSigned({
      ...{ serialNumber: serial(), name: `CN=${name}`, signingAlgorithm: KEYS, keys, extensions },
      ...{ notBefore: new Date(Date.now() - HOUR), notAfter: new Date(Date.now() + 24 * HOUR) },
    });
    return new Authority(pem(cert), cert, keys, '');
  }

  /** An authority below this one; what it issues comes with its own certificate. */
  async intermediate(name = 'Test intermediate CA'): Promise<Authority> {
    const keys = await newKeys();
    const cert = await this.#sign({ name }, keys.publicKey, authority());
    return new Authority(pem(cert), cert, keys, pem(cert) + this.chain);
  }

  /** For servers and clients alike. */
  async issue(wish: Wish = {}): Promise<Pair> {
    const { publicKey, privateKey } = await newKeys();
    const cert = await this.#sign(wish, publicKey, [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
      ...(wish.names?.length ? [new x509.SubjectAlternativeNameExtension(wish.names.map(generalName))] : []),
    ]);
    const key = KeyObject.from(privateKey).export({ type: 'pkcs8', format: 'pem' }) as string;
    return { cert: pem(cert) + this.chain, key };
  }

  async #sign(wish: Wish, publicKey: webcrypto.CryptoKey, extensions: Extension[]): Promise<Certificate> {
    return x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: `CN=${wish.name ?? wish.names?.[0] ?? 'test'}`,
      issuer: this.parsed.subject,
      notBefore: wish.from ?? new Date(Date.now() - HOUR),
      notAfter: wish.until ?? new Date(Date.now() + 12 * HOUR),
      signingAlgorithm: KEYS,
      publicKey,
      signingKey: this.keys.privateKey,
      extensions: [
        ...extensions,
        await x509.SubjectKeyIdentifierExtension.create(publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(this.keys.publicKey),
      ],
    });
  }
}

function authority(): Extension[] {
  return [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
  ];
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEYS, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;
}

/** Positive, and of one length. */
function serial(): string {
  return `4${randomBytes(8).toString('hex').slice(1)}`;
}

function pem(certificate: Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

function generalName(value: string): JsonGeneralName {
  if (isIP(value)) return { type: 'ip', value };
  return { type: value.includes(':') ? 'url' : value.includes('@') ? 'email' : 'dns', value };
}

export interface Files {
  readonly cert: string;
  readonly key: string;
}

/** Writes `NAME.pem` and `NAME.key` into the folder. */
export async function writePair(folder: string, name: string, pair: Pair): Promise<Files> {
  const files = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  await Promise.all([writeFile(files.cert, pair.cert), writeFile(files.key, pair.key)]);
  return files;
}
