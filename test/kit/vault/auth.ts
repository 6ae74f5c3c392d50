import { randomUUID } from 'node:crypto';
import {
  data,
  error,
  nothing,
  notFound,
  ok,
  unsupported,
  type VaultAnswer,
  type VaultRequest,
} from './answer.ts';

export interface TokenEntry {
  readonly id: string;
  readonly policies: readonly string[];
  ttl: number;
  readonly maxTtl: number;
  readonly renewable: boolean;
  readonly createdAt: number;
  /** Milliseconds; Infinity where it never ends. */
  expiresAt: number;
}

export interface AuthRole {
  readonly policies: readonly string[];
  /** Seconds. */
  readonly ttl: number;
  readonly maxTtl: number;
  readonly renewable?: boolean;
  /** How often a secret-id may be used; 0: as often as wanted. */
  readonly secretIdUses?: number;
  /** Whether its tokens do without the policy `default`. */
  readonly noDefault?: boolean;
  /** Of kubernetes and jwt: which tokens prove it. */
  readonly jwt?: (jwt: string) => boolean;
}

/** Tokens, and the ways to get one: AppRole, Kubernetes, JWT. */
export class AuthEngine {
  readonly tokens = new Map<string, TokenEntry>();
  readonly roles = new Map<string, AuthRole>();
  readonly #roleIds = new Map<string, string>();
  readonly #secretIds = new Map<string, { role: string; uses: number }>();
  /** Most that a renewal gives, in seconds, whatever the role says. */
  longestRenewal = Infinity;
  logins = 0;

  constructor(private readonly now: () => number) {}

  issue(role: AuthRole): TokenEntry {
    const life = role.ttl === 0 ? Infinity : role.ttl * 1_000;
    const made: TokenEntry = {
      id: `hvs.${randomUUID()}`,
      policies: [...(role.noDefault ? [] : ['default']), ...role.policies],
      ttl: role.ttl,
      maxTtl: role.maxTtl,
      renewable: role.renewable ?? true,
      createdAt: this.now(),
      expiresAt: this.now() + life,
    };
    this.tokens.set(made.id, made);
    return made;
  }

  live(id: string | undefined): TokenEntry | undefined {
    const token = id === undefined ? undefined : this.tokens.get(id);
    return token && this.now() < token.expiresAt ? token : undefined;
  }

  roleId(mount: string, role: string): string {
    const made = this.#roleIds.get(`${mount}/${role}`) ?? randomUUID();
    this.#roleIds.set(`${mount}/${role}`, made);
    return made;
  }

  newSecretId(mount: string, role: string): string {
    const id = randomUUID();
    this.#secretIds.set(id, {
      role: `${mount}/${role}`,
      uses: this.roles.get(`${mount}/${role}`)?.secretIdUses ?? 0,
    });
    return id;
  }

  /** `auth/<mount>/role/<name>` and below it. */
  handleRole(mount: string, { method, path, body }: VaultRequest): VaultAnswer {
    const [, , , name = '', more] = path.split('/');
    if (method === 'POST' && more === undefined) {
      this.roles.set(`${mount}/${name}`, {
        policies: String(body['token_policies']).split(','),
        ttl: secondsOf(body['token_ttl']),
        maxTtl: secondsOf(body['token_max_ttl']),
        secretIdUses: Number(body['secret_id_num_uses'] ?? 0),
        noDefault: body['token_no_default_policy'] === true,
      });
      return nothing;
    }
    if (!this.roles.has(`${mount}/${name}`)) return notFound;
    if (method === 'GET' && more === 'role-id') return data({ role_id: this.roleId(mount, name) });
    if (method !== 'POST' || more !== 'secret-id') return unsupported;
    const made = { secret_id: this.newSecretId(mount, name), secret_id_accessor: randomUUID() };
    return data({ ...made, secret_id_ttl: 2_592_000, secret_id_num_uses: 0 });
  }

  /** `POST auth/<mount>/login`. */
  logIn(mount: string, body: Record<string, unknown>): VaultAnswer {
    const role =
      typeof body['role_id'] === 'string' ? this.#byAppRole(mount, body) : this.#byJwt(mount, body);
    if (!role) {
      return typeof body['jwt'] === 'string'
        ? error(403, 'permission denied')
        : error(400, 'invalid role or secret ID');
    }
    this.logins += 1;
    return this.answer(this.issue(role));
  }

  renewSelf(token: TokenEntry, body: Record<string, unknown>): VaultAnswer {
    if (!token.renewable) return error(400, 'lease is not renewable');
    const asked = Number(body['increment'] ?? 0) || token.ttl;
    const left =
      token.maxTtl === 0 ? Infinity : (token.createdAt + token.maxTtl * 1_000 - this.now()) / 1_000;
    token.ttl = Math.max(0, Math.floor(Math.min(asked, left, this.longestRenewal)));
    token.expiresAt = this.now() + token.ttl * 1_000;
    return this.answer(token);
  }

  lookUp(token: TokenEntry): VaultAnswer {
    const ttl = token.expiresAt === Infinity ? 0 : Math.floor((token.expiresAt - this.now()) / 1_000);
    return ok({ data: { id: token.id, policies: token.policies, renewable: token.renewable, ttl } });
  }

  revoke(id: string): VaultAnswer {
    this.tokens.delete(id);
    return nothing;
  }

  answer({ id, policies, ttl, renewable }: TokenEntry): VaultAnswer {
    const auth = { client_token: id, policies, token_policies: policies, lease_duration: ttl, renewable };
    return ok({ auth: { ...auth, accessor: 'accessor', metadata: {}, token_type: 'service', orphan: true } });
  }

  #byAppRole(
    mount: string,
    { role_id: roleId, secret_id: secretId }: Record<string, unknown>,
  ): AuthRole | undefined {
    const known = this.#secretIds.get(String(secretId));
    if (!known?.role.startsWith(`${mount}/`) || this.#roleIds.get(known.role) !== roleId) return undefined;
    if (known.uses === 1) this.#secretIds.delete(String(secretId));
    known.uses = Math.max(0, known.uses - 1);
    return this.roles.get(known.role);
  }

  #byJwt(mount: string, { role, jwt }: Record<string, unknown>): AuthRole | undefined {
    const known = this.roles.get(`${mount}/${String(role)}`);
    return known?.jwt?.(String(jwt)) ? known : undefined;
  }
}

/** Of `1h`, `300s`, or a number of seconds. */
function secondsOf(value: unknown): number {
  const text = typeof value === 'number' ? String(value) : value;
  const [, number, unit = 's'] = /^(\d+)([smh]?)$/.exec(typeof text === 'string' ? text : '') ?? [];
  if (number === undefined) throw new Error('no duration');
  return Number(number) * ({ h: 3_600, m: 60 }[unit] ?? 1);
}
