import { randomBytes, randomUUID } from 'node:crypto';
import { run } from '../database.ts';
import { error, nothing, notFound, ok, type VaultAnswer, type VaultRequest } from './answer.ts';

export interface LeasedRole {
  /** SQL with {{name}}, {{password}} and {{expiration}}. */
  readonly creation: readonly string[];
  readonly revocation: readonly string[];
  /** Seconds. */
  readonly ttl: number;
  readonly maxTtl: number;
}

interface Lease {
  readonly id: string;
  readonly user: string;
  readonly role: LeasedRole;
  /** Of the token that asked: with it the lease ends. */
  readonly token: string;
  readonly createdAt: number;
  expiresAt: number;
}

interface StaticRole {
  readonly username: string;
  /** Seconds. */
  readonly period: number;
  password: string;
  rotatedAt: number;
}

/** The database engine on a real PostgreSQL: leased users that it creates and drops, and users whose password it changes. */
export class DatabaseEngine {
  readonly leases = new Map<string, Lease>();
  readonly roles = new Map<string, LeasedRole>();
  readonly #statics = new Map<string, StaticRole>();
  /** Most that a renewal gives, in seconds. */
  longestRenewal = Infinity;

  constructor(
    private readonly adminUrl: string,
    private readonly now: () => number,
  ) {}

  async handle({ method, path }: VaultRequest, token: string): Promise<VaultAnswer> {
    const [area, name = ''] = path.split('/');
    if (method !== 'GET') return error(405, 'unsupported operation');
    if (area === 'creds') return this.#lease(name, token);
    if (area === 'static-creds') return this.#static(name);
    return notFound;
  }

  /** The user exists; from now on its password is the engine's. */
  async addStatic(name: string, username: string, period: number): Promise<void> {
    this.#statics.set(name, { username, period, password: '', rotatedAt: 0 });
    await this.rotateStatic(name);
  }

  async rotateStatic(name: string): Promise<void> {
    const role = this.#statics.get(name);
    if (!role) throw new Error(`there is no static role ${name}`);
    const password = newPassword();
    await run(this.adminUrl, `ALTER ROLE "${role.username}" PASSWORD '${password}'`);
    Object.assign(role, { password, rotatedAt: this.now() });
  }

  renew(id: string, increment: number): VaultAnswer {
    const lease = this.leases.get(id);
    if (!lease || this.now() >= lease.expiresAt) return error(400, 'lease not found');
    const left = (lease.createdAt + lease.role.maxTtl * 1_000 - this.now()) / 1_000;
    const ttl = Math.max(0, Math.floor(Math.min(increment || lease.role.ttl, left, this.longestRenewal)));
    lease.expiresAt = this.now() + ttl * 1_000;
    return ok({ lease_id: id, renewable: true, lease_duration: ttl });
  }

  async revoke(id: string): Promise<VaultAnswer> {
    const lease = this.leases.get(id);
    if (lease) await this.#end(lease);
    return nothing;
  }

  /** Drops the users whose lease has ended, and those of tokens that have. */
  async sweep(alive: (token: string) => boolean): Promise<void> {
    for (const lease of this.leases.values())
      if (this.now() >= lease.expiresAt || !alive(lease.token)) await this.#end(lease);
  }

  async #lease(name: string, token: string): Promise<VaultAnswer> {
    const role = this.roles.get(name);
    if (!role) return error(400, `unknown role: ${name}`);
    const user = `v-${name}-${randomBytes(8).toString('hex')}`;
    const password = newPassword();
    const createdAt = this.now();
    const expiresAt = createdAt + role.ttl * 1_000;
    const names = { name: user, password, expiration: new Date(expiresAt + 60_000).toISOString() };
    for (const statement of role.creation) await run(this.adminUrl, filled(statement, names));
    const id = `database/creds/${name}/${randomUUID()}`;
    this.leases.set(id, { id, user, role, token, createdAt, expiresAt });
    return ok({
      lease_id: id,
      renewable: true,
      lease_duration: role.ttl,
      data: { username: user, password },
    });
  }

  /** Its lease is none: what counts is `ttl`, the seconds until the next rotation. */
  #static(name: string): VaultAnswer {
    const role = this.#statics.get(name);
    if (!role) return error(400, `unknown role: ${name}`);
    const { username, password, period, rotatedAt } = role;
    const ttl = Math.max(0, Math.floor((rotatedAt + period * 1_000 - this.now()) / 1_000));
    const last = new Date(rotatedAt).toISOString();
    return ok({ data: { username, password, ttl, rotation_period: period, last_vault_rotation: last } });
  }

  async #end({ id, user, role }: Lease): Promise<void> {
    this.leases.delete(id);
    for (const statement of role.revocation)
      await run(this.adminUrl, filled(statement, { name: user, password: '', expiration: '' }));
  }
}

function filled(statement: string, names: Record<string, string>): string {
  return statement.replaceAll(/\{\{(\w+)\}\}/g, (_all, name: string) => names[name] ?? '');
}

function newPassword(): string {
  return randomBytes(18).toString('base64url');
}
