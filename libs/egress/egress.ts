import { Resolver } from 'node:dns/promises';
import ipaddr from 'ipaddr.js';
import { StartError } from '#kernel';
import { DeliveryFailure } from './delivery-failure.ts';

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** An address that was checked: the connection goes to it and to no other, whatever the name says a moment later. */
export interface CheckedAddress {
  readonly address: string;
  /** The operator has allowed its network: what is otherwise refused (HTTP without TLS) is not. */
  readonly allowed: boolean;
}

/** Addresses of clouds that are public by their range and lead inside nevertheless. */
const INSIDE = new Set(['168.63.129.16']);
/** All that IANA gives out as unicast of the internet (RFC 4291 section 2.4); ::7f00:1 and 4000::1 lie outside. */
const GLOBAL_UNICAST: Network = [ipaddr.IPv6.parse('2000::'), 3];
const DNS_TIMEOUT_MS = 3_000;

/**
 * Keeps targets that tenants choose out of the networks around the product: every address of a name must be public,
 * or of a network that the operator allows. Names are asked over the network, never by the thread pool that the
 * whole process shares, so a name server that hangs holds up nobody else; the machine's hosts file is not read.
 */
export class Egress {
  readonly #allowed: readonly Network[];

  /** `allow`: CIDR. Throws a StartError for what is none. */
  constructor(
    allow: readonly string[],
    private readonly resolve: (host: string) => Promise<string[]> = resolveByDns,
  ) {
    this.#allowed = allow.map((cidr) => {
      if (!ipaddr.isValidCIDR(cidr)) {
        throw new StartError('PORTCULLIS_EGRESS_ALLOW must hold networks such as 10.0.0.0/8 or fd00::/8');
      }
      return ipaddr.parseCIDR(cidr);
    });
  }

  /** What to connect to for `host`, a name or an address. Failures: `name_unknown`, `target_denied`. */
  async check(host: string): Promise<CheckedAddress> {
    const bare = host.replace(/^\[(.*)\]$/, '$1');
    const found = ipaddr.isValid(bare) ? [bare] : await this.resolve(bare.replace(/\.$/, ''));
    if (found.length === 0) throw new DeliveryFailure('name_unknown');
    const checked = found.map((address) => this.#judge(address));
    // One address inside is enough: the name is made to lead there.
    if (checked.some((one) => one === undefined)) throw new DeliveryFailure('target_denied');
    return checked[0]!;
  }

  #judge(text: string): CheckedAddress | undefined {
    if (!ipaddr.isValid(text)) return undefined;
    // An IPv4 address written as IPv6 is that IPv4 address.
    const address = ipaddr.process(text);
    const shown = address.toString();
    if (this.#allowed.some((network) => contains(network, address))) return { address: shown, allowed: true };
    const global = address.kind() === 'ipv4' || contains(GLOBAL_UNICAST, address);
    return global && address.range() === 'unicast' && !INSIDE.has(shown)
      ? { address: shown, allowed: false }
      : undefined;
  }
}

function contains([network, bits]: Network, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return network.kind() === address.kind() && address.match(network, bits);
}

async function resolveByDns(host: string): Promise<string[]> {
  // RFC 6761: never asked of a server.
  if (/(^|\.)localhost$/i.test(host)) return ['127.0.0.1'];
  const resolver = new Resolver({ timeout: DNS_TIMEOUT_MS, tries: 1 });
  const timer = setTimeout(() => resolver.cancel(), DNS_TIMEOUT_MS);
  try {
    const both = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    return both.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  } finally {
    clearTimeout(timer);
  }
}
