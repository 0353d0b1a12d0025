/** The network of an address: the owner of an IPv6 address mostly has all addresses with the same first 64 bits. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [before = '', after] = address.replace(/%.*/, '').split('::');
  const groups = before === '' ? [] : before.split(':');
  const behind = after ? after.split(':').length : 0;
  while (after !== undefined && groups.length < Math.min(4, 8 - behind)) groups.push('0');
  if (after) groups.push(...after.split(':'));
  return `${groups.slice(0, 4).join(':')}::/64`;
}
