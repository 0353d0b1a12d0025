/** Addresses that only this machine can reach. */
import { BlockList, isIP } from 'node:net';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** @param listen HOST:PORT. A name other than localhost may mean any address. */
export function isLoopback(listen: string): boolean {
  const host = listen.slice(0, listen.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  const family = isIP(host);
  return family === 0 ? /^localhost$/i.test(host) : LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6');
}
