/** Reads and validates certificates and keys; errors name the file and the fault. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { ChordError } from '../model/errors.js';

/** Paths of PEM files. */
export interface TlsFiles {
  /** The server's certificate, then its intermediate certificates. */
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates; empty: client certificates are not requested. */
  readonly clientCa: string;
}

/** The contents of the files. */
export interface TlsBytes {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa: Buffer | undefined;
}

/** The server's certificate, as the log shows it. */
export interface CertificateInfo {
  readonly subject: string;
  readonly names: string;
  readonly issuer: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface Checked {
  readonly context: SecureContextOptions;
  readonly info: CertificateInfo;
}

/**
 * What RFC 9113 (9.2.2) leaves of TLS 1.2: an ephemeral key exchange and an authenticated cipher. Those of TLS 1.3 all are.
 */
const CIPHERS = [
  ...['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'],
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ...['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
].join(':');

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** @throws FAILED_PRECONDITION with the name of the file */
export async function readTls(files: TlsFiles): Promise<TlsBytes> {
  const [cert, key, clientCa] = await Promise.all([
    read('tlsCert', files.cert),
    read('tlsKey', files.key),
    files.clientCa === '' ? undefined : read('tlsClientCa', files.clientCa),
  ]);
  return { cert, key, clientCa };
}

/** PEM of trusted authorities. @throws FAILED_PRECONDITION with the name of the file */
export async function readAuthorities(setting: string, path: string): Promise<Buffer> {
  const bytes = await read(setting, path);
  certificates(bytes, setting, path);
  return bytes;
}

/** @throws FAILED_PRECONDITION for a certificate that clients would refuse, with the file and the reason */
export function checkTls(bytes: TlsBytes, files: TlsFiles, now: number): Checked {
  const [leaf, ...others] = certificates(bytes.cert, 'tlsCert', files.cert);
  const key = privateKey(bytes.key, files.key);
  if (!leaf!.checkPrivateKey(key)) {
    const order = others.some((each) => each.checkPrivateKey(key))
      ? "; the server's own certificate must stand first"
      : '';
    throw wrong('tlsKey', files.key, `is not the key of the certificate in ${files.cert}${order}`);
  }
  const validity = outOfDate(leaf!, now);
  if (validity) throw wrong('tlsCert', files.cert, `${validity}: ${oneLine(leaf!.subject)}`);
  const authorities = bytes.clientCa && certificates(bytes.clientCa, 'tlsClientCa', files.clientCa);
  if (authorities?.every((each) => outOfDate(each, now))) {
    throw wrong(
      'tlsClientCa',
      files.clientCa,
      `holds no authority that is valid now; the first ${outOfDate(authorities[0]!, now)}`,
    );
  }
  const context: SecureContextOptions = {
    cert: bytes.cert,
    key: bytes.key,
    ...(bytes.clientCa && { ca: bytes.clientCa }),
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
  };
  try {
    createSecureContext(context);
  } catch (error) {
    throw wrong('tlsCert', files.cert, `is refused by the TLS library: ${(error as Error).message}`);
  }
  return { context, info: describe(leaf!) };
}

async function read(setting: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw wrong(setting, path, `cannot be read: ${(error as Error).message}`);
  }
}

function certificates(bytes: Buffer, setting: string, path: string): X509Certificate[] {
  const blocks = bytes.toString('latin1').match(CERTIFICATE);
  if (!blocks) throw wrong(setting, path, 'holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)');
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw wrong(
        setting,
        path,
        `holds a certificate that cannot be read (number ${i + 1}): ${(error as Error).message}`,
      );
    }
  });
}

function privateKey(bytes: Buffer, path: string): KeyObject {
  try {
    return createPrivateKey(bytes);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === 'ERR_MISSING_PASSPHRASE'
        ? 'is encrypted; a key without a passphrase is needed'
        : `holds no private key in PEM form (-----BEGIN PRIVATE KEY-----): ${message}`;
    throw wrong('tlsKey', path, why);
  }
}

function outOfDate(certificate: X509Certificate, now: number): string | undefined {
  if (Date.parse(certificate.validTo) <= now) return `expired on ${certificate.validTo}`;
  if (Date.parse(certificate.validFrom) > now) return `is not valid before ${certificate.validFrom}`;
  return undefined;
}

function describe(certificate: X509Certificate): CertificateInfo {
  return {
    subject: oneLine(certificate.subject),
    names: certificate.subjectAltName ?? '',
    issuer: oneLine(certificate.issuer),
    notBefore: new Date(certificate.validFrom),
    notAfter: new Date(certificate.validTo),
  };
}

/** Node separates the parts of a distinguished name by line breaks. */
function oneLine(name: string | undefined): string {
  return (name ?? '').replaceAll('\n', ', ');
}

function wrong(setting: string, path: string, what: string): ChordError {
  return new ChordError('FAILED_PRECONDITION', `${setting}: ${path} ${what}`);
}
