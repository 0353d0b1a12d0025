/**
 * Which pages of a browser may use the API. A page of another origin may not, unless its origin is allowed by the
 * settings. A page that reaches a server on loopback or in a private network by a name of its own (DNS rebinding) is
 * refused by the name.
 */
import { isIP } from 'node:net';
import { cors } from '@connectrpc/connect';

export interface OriginPolicy {
  /** As a browser sends them: `https://app.example.com`. */
  readonly allowed: readonly string[];
  /** With TLS a certificate proves the name of the server. */
  readonly encrypted: boolean;
}

/** How long a browser may remember the answer to a preflight, in seconds. */
const PREFLIGHT_AGE = '7200';
const HEADERS = [...cors.allowedHeaders, 'authorization', 'if-none-match', 'traceparent', 'tracestate'].join(', ');
const EXPOSED = [...cors.exposedHeaders, 'etag'].join(', ');

/** Whether an address can be made of a host: programs may send none, or any text. */
export function isHost(host: string | undefined): host is string {
  return host !== undefined && URL.canParse(`http://${host}`);
}

/** Whether the name by which a client reached the server is the server's. */
export function isOwnName(host: string, { allowed, encrypted }: OriginPolicy): boolean {
  if (encrypted) return true;
  const name = nameOf(host);
  return isIP(name) !== 0 || /^localhost\.?$/i.test(name) || allowed.some((each) => new URL(each).host === host);
}

/**
 * The headers that let a page of `origin` read the answer: none for the server's own pages and for programs.
 * Undefined: the origin is not allowed.
 */
export function corsHeaders(
  origin: string | undefined,
  host: string,
  { allowed, encrypted }: OriginPolicy,
): Readonly<Record<string, string>> | undefined {
  if (origin === undefined || origin === `${encrypted ? 'https' : 'http'}://${host}`) return {};
  if (!allowed.includes(origin)) return undefined;
  return { 'access-control-allow-origin': origin, 'access-control-expose-headers': EXPOSED };
}

/**
 * Whether a page of another origin asks by an image, a script, a form or a link: without an origin, since it may not read
 * the answer. Browsers send the site with each request to a server on loopback or with TLS.
 */
export function isUnreadable(headers: {
  readonly origin?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
}): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  return origin === undefined && (site === 'cross-site' || site === 'same-site');
}

/** The further headers of the answer to a preflight. */
export const PREFLIGHT: Readonly<Record<string, string>> = {
  'access-control-allow-methods': cors.allowedMethods.join(', '),
  'access-control-allow-headers': HEADERS,
  'access-control-max-age': PREFLIGHT_AGE,
};

function nameOf(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
