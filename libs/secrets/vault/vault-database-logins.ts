import { DatabaseCredentials, type DatabaseLogin, type ServingRole } from '#database';
import { VaultFailure } from './failure.ts';
import { vaultPath } from './path.ts';
import { record, type Reply } from './reply.ts';
import type { Vault } from './vault.ts';

/** `leased`: a user made for each pool. `static`: a user that lasts, whose password the server changes. */
export type DatabaseLoginKind = 'leased' | 'static';

/**
 * Logins of the product's pools out of the database engine of Vault or OpenBao, by its roles `portcullis-app` and
 * `portcullis-system`. What it makes must be members of the roles of the product, and nothing more.
 */
export class VaultDatabaseLogins extends DatabaseCredentials {
  constructor(
    private readonly vault: Vault,
    private readonly mount: string,
    private readonly kind: DatabaseLoginKind,
  ) {
    super();
  }

  /** Rejects with a VaultFailure. */
  async login(role: ServingRole): Promise<DatabaseLogin> {
    const area = this.kind === 'leased' ? 'creds' : 'static-creds';
    const path = vaultPath(this.mount, area, `portcullis-${role}`);
    const reply = await this.vault.ask({ method: 'GET', path });
    const { username: user, password, ttl } = record(reply.body['data']);
    if (reply.status !== 200 || typeof user !== 'string' || typeof password !== 'string')
      throw unexpected(reply);
    // A static role has no lease: what counts is when its password changes.
    if (this.kind === 'static') return { user, password, validMs: secondsOf(ttl, reply) * 1_000 };
    const { lease_id: lease, lease_duration: duration } = reply.body;
    if (typeof lease !== 'string') throw unexpected(reply);
    return {
      user,
      password,
      validMs: secondsOf(duration, reply) * 1_000,
      end: () => this.#revoke(lease),
    };
  }

  async #revoke(lease: string): Promise<void> {
    const body = { lease_id: lease };
    const reply = await this.vault.ask({ method: 'POST', path: vaultPath('sys/leases/revoke'), body });
    // One that has ended by itself is as good.
    if (reply.status !== 200 && reply.status !== 204 && reply.status !== 400) throw unexpected(reply);
  }
}

function secondsOf(value: unknown, reply: Reply): number {
  if (typeof value !== 'number' || value < 0) throw unexpected(reply);
  return value;
}

function unexpected({ status }: Reply): VaultFailure {
  return new VaultFailure(status >= 400 && status < 500 ? 'refused' : 'malformed', { status });
}
