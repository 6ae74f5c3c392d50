import ipaddr from 'ipaddr.js';

/**
 * The network that counts as one source: the /64 of an IPv6 address, which one host owns whole, however it is
 * written; an IPv4 address as it is. What is no address is all one source, `unknown`.
 */
export function networkOf(ip: string | undefined): string {
  if (ip === undefined || !ipaddr.isValid(ip)) return 'unknown';
  const address = ipaddr.process(ip);
  return address instanceof ipaddr.IPv6 ? address.parts.slice(0, 4).join(':') : address.toString();
}
