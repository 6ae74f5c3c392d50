import { createHmac } from 'node:crypto';
import ipaddr from 'ipaddr.js';

/**
 * For how long a refresh token that was used answers its successor once more. Tabs of one browser wake at the same
 * moment and all refresh with the token they share; an answer may get lost on its way. Both are over in seconds.
 */
export const GRACE_SECONDS = 10;

/** Networks of this many bits count as one source: one subscriber's, as far as an address tells. */
const IPV4_BITS = 24;
const IPV6_BITS = 64;

/**
 * Who got a successor: a digest of the source network and the user agent, under a key of ours and with the token
 * in it, so that nobody finds the network by trying all, nor sees that two tokens went to one client.
 *
 * That is all a bearer client shows of itself. By network and not by address, for temporary IPv6 addresses change
 * within a /64 (RFC 8981) and the exits of one NAT or proxy are neighbours. A thief who shares both with the
 * victim gets the one successor there is, never a branch of their own: the next rotation has two holders again,
 * and ends the session. Undefined where the address is unknown: that is nobody's second try.
 */
export function clientDigest(
  key: Buffer,
  tokenId: string,
  facts: { readonly ip?: string; readonly userAgent?: string },
): string | undefined {
  const network = networkOf(facts.ip);
  if (network === undefined) return undefined;
  return createHmac('sha256', key)
    .update(JSON.stringify([tokenId, network, facts.userAgent ?? null]))
    .digest('base64url');
}

/** The network an address lies in; undefined where it cannot be read. */
function networkOf(ip: string | undefined): string | undefined {
  if (ip === undefined || !ipaddr.isValid(ip)) return undefined;
  const address = ipaddr.process(ip);
  const bits = address.kind() === 'ipv4' ? IPV4_BITS : IPV6_BITS;
  const bytes = address.toByteArray().slice(0, bits / 8);
  return `${address.kind()} ${bytes.join('.')}`;
}
