/**
 * The syntax of a Redis URL:
 *
 *     redis[s]://[[user]:password@]host[:port][/db]            one server, or any node of a cluster
 *     redis[s]://...,host[:port],...                           several nodes of one cluster
 *     redis[s]+cluster://...                                   a cluster, or refused
 *     redis[s]+sentinel://[[user]:password@]host[:port],...[/db]?name=mymaster
 *                         [&sentinelUsername=...][&sentinelPassword=...]
 */
import type { RedisOptions } from 'ioredis';
import { ChordError } from '../../model/errors.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Target {
  readonly kind: 'any' | 'cluster' | 'sentinel';
  /** Servers, or sentinels. */
  readonly addresses: readonly Address[];
  /** User, database, TLS; with sentinels also their addresses. */
  readonly options: RedisOptions;
}

const URL_FORM = /^redis(s?)(\+cluster|\+sentinel)?:\/\/(?:([^@/]*)@)?([^@/?]+)(?:\/(\d*))?(?:\?([^#]*))?$/;
const HOST_FORM = /^(?:redis(?:s?):\/\/)?(\[[0-9a-fA-F:.]+\]|[^\s:[\]/@]+)(?::(\d{1,5}))?$/;

/** @throws FAILED_PRECONDITION, without the password */
export function parseRedisUrl(url: string): Target {
  const [first = '', ...others] = url.split(/,(?=redis)/);
  const match = URL_FORM.exec(first);
  if (!match) throw bad('expected redis[s]://[user:password@]host:port[/db]');
  const [, tls, form, credentials, hosts = '', db, query] = match;
  const kind = form === '+sentinel' ? 'sentinel' : form === '+cluster' || isMany(hosts, others) ? 'cluster' : 'any';
  const port = kind === 'sentinel' ? 26_379 : 6379;
  const addresses = [...hosts.split(','), ...others].map((host) => parseHost(host, port));
  const options: RedisOptions = {
    ...login(credentials),
    ...(db && { db: Number(db) }),
    ...(tls && { tls: {} }),
  };
  if (kind === 'cluster' && options.db) throw bad('a cluster has only database 0');
  if (kind === 'sentinel') Object.assign(options, sentinel(new URLSearchParams(query), addresses, Boolean(tls)));
  else if (query) throw bad(`unknown parameter ${query.split('=')[0]}`);
  return { kind, addresses, options };
}

function isMany(hosts: string, others: readonly string[]): boolean {
  return hosts.includes(',') || others.length > 0;
}

function parseHost(text: string, defaultPort: number): Address {
  // Of several whole URLs, the first one has the user and the password.
  const match = HOST_FORM.exec(text.replace(/\/\/[^@]*@/, '//').replace(/\/\d*$/, ''));
  const port = Number(match?.[2] ?? defaultPort);
  if (!match?.[1] || port === 0 || port > 65_535) throw bad('a host or a port is malformed');
  return { host: match[1].replace(/^\[|\]$/g, ''), port };
}

function login(credentials: string | undefined): RedisOptions {
  if (!credentials) return {};
  const colon = credentials.indexOf(':');
  const user = decode(colon < 0 ? credentials : credentials.slice(0, colon));
  const password = colon < 0 ? '' : decode(credentials.slice(colon + 1));
  return { ...(user && { username: user }), ...(password && { password }) };
}

function sentinel(query: URLSearchParams, sentinels: readonly Address[], tls: boolean): RedisOptions {
  const { name, sentinelUsername, sentinelPassword, ...unknown } = Object.fromEntries(query);
  const [other] = Object.keys(unknown);
  if (other) throw bad(`unknown parameter ${other}`);
  if (!name) throw bad('the name of the master that the sentinels watch is missing: ?name=mymaster');
  return {
    sentinels: [...sentinels],
    name,
    ...(sentinelUsername && { sentinelUsername }),
    ...(sentinelPassword && { sentinelPassword }),
    ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: {} }),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw bad('user and password must be percent-encoded');
  }
}

function bad(what: string): ChordError {
  return new ChordError('FAILED_PRECONDITION', `the Redis URL is invalid: ${what}`);
}
