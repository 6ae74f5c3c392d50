import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import { findPlatformId } from './platform.store.ts';
import { parseReference } from './reference.ts';
import type { Purpose } from './secret-store.ts';
import { SecretStore } from './secret-store.ts';
import type { Secret } from './secret.ts';
import { SecretFault } from './secrets.faults.ts';

/** Whose secrets a reference of the deployment's own configuration names: those of the platform organization. */
export const DEPLOYMENT = '@deployment';

/** Makes values of references, at the moment of use. Each resolution is in the organization's log. */
@Injectable()
export class SecretReferences {
  constructor(
    private readonly store: SecretStore,
    private readonly database: Database,
  ) {}

  /**
   * The value of `secret://<path>#<field>[@version]` in an organization (its id, or DEPLOYMENT). Do not keep it: ask
   * again at the next use. Faults: `secrets.bad_reference`, `secrets.not_found`, `secrets.version_not_found`,
   * `secrets.deleted`, `secrets.destroyed`, `secrets.field_not_found`, `secrets.unreadable`.
   */
  async resolve(orgId: string, reference: string, purpose: Purpose): Promise<Secret> {
    const parsed = parseReference(reference);
    return this.store.resolve(
      { orgId: orgId === DEPLOYMENT ? await this.#platform() : orgId, purpose },
      parsed,
    );
  }

  async #platform(): Promise<string> {
    const platform = await this.database.acrossOrgs('resolve_secrets', (tx) => findPlatformId(tx));
    if (platform === undefined) throw SecretFault.not_found();
    return platform;
  }
}
