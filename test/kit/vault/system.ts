import { data, error, nothing, notFound, type VaultAnswer, type VaultRequest } from './answer.ts';
import { parsePolicy, type Rule } from './policy.ts';

const EVERYTHING = ['kv', 'transit', 'database'];
const EVERY_LOGIN = ['approle', 'kubernetes', 'jwt'];

/** What is mounted where, and the policies: `sys/mounts`, `sys/auth`, `sys/policies/acl`. */
export class SystemEngine {
  /** Type by path. */
  readonly mounts: Map<string, string>;
  readonly logins: Map<string, string>;
  readonly policies = new Map<string, readonly Rule[]>();

  /** `bare`: as it is after its initialization, with nothing mounted. */
  constructor(bare: boolean) {
    this.mounts = new Map(bare ? [] : EVERYTHING.map((type) => [type, type]));
    this.logins = new Map(bare ? [] : EVERY_LOGIN.map((type) => [type, type]));
  }

  handle({ method, path, body }: VaultRequest): VaultAnswer {
    const [, area = '', ...rest] = path.split('/');
    if (area === 'mounts') return mount(this.mounts, '', method, rest, body);
    if (area === 'auth') return mount(this.logins, 'auth/', method, rest, body);
    const [kind, name = ''] = rest;
    if (area !== 'policies' || kind !== 'acl' || method !== 'POST') return notFound;
    try {
      this.policies.set(name, parsePolicy(String(body['policy'])));
      return nothing;
    } catch (cause) {
      return error(400, `failed to parse policy: ${String(cause)}`);
    }
  }
}

function mount(
  table: Map<string, string>,
  prefix: string,
  method: string,
  [path = '', more]: readonly string[],
  { type, options }: Record<string, unknown>,
): VaultAnswer {
  if (method === 'GET' && more === 'tune') {
    if (!table.has(path)) return error(400, `cannot fetch sysview for path "${prefix}${path}/"`);
    return data({ default_lease_ttl: 2_764_800, max_lease_ttl: 2_764_800, force_no_cache: false });
  }
  if (method !== 'POST' || more !== undefined) return notFound;
  if (table.has(path)) return error(400, `path is already in use at ${prefix}${path}/`);
  const isKnown = (prefix === '' ? EVERYTHING : EVERY_LOGIN).includes(String(type));
  // Version 1 is what a server mounts where nothing is said, and this one has none.
  const isVersion2 = type !== 'kv' || (options as Record<string, unknown> | undefined)?.['version'] === '2';
  if (!isKnown || !isVersion2) return error(400, `plugin not found in the catalog: ${String(type)}`);
  table.set(path, String(type));
  return nothing;
}
