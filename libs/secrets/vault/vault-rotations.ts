import { Injectable } from '@nestjs/common';
import { Audit, bySystem } from '#audit';
import { Database, type SystemTx } from '#database';
import { OrgKeys } from '../keys/org-keys.ts';
import { requireFields } from '../secret-rules.ts';
import type { SecretStore } from '../secret-store.ts';
import { SecretFault } from '../secrets.faults.ts';
import { insertDigests } from '../uses/use.store.ts';
import { asFault } from './as-fault.ts';
import { deleteChange, insertChange } from './change.store.ts';
import { VaultKv } from './kv.ts';
import { findVaultSecret } from './vault-secret.store.ts';

type Rotate = SecretStore['rotate'];
type Retire = SecretStore['retire'];

/**
 * What the product itself writes in Vault or OpenBao. As every change it is written down before it is sent: where the
 * process dies between, whoever settles finds the version and records it, and the rotation that goes on writes another.
 */
@Injectable()
export class VaultRotations {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly keys: OrgKeys,
    private readonly kv: VaultKv,
  ) {}

  async rotate(
    { orgId, secretId, field, value }: Parameters<Rotate>[0],
    alongside: Parameters<Rotate>[1],
  ): Promise<void> {
    const path = await this.#pathOf(orgId, secretId);
    const read = await this.kv.read(orgId, path).catch(thrown);
    if (!read) throw SecretFault.not_found();
    if (read.state === 'destroyed') throw SecretFault.destroyed();
    if (read.state === 'deleted' || read.told.deletedAt) throw SecretFault.deleted();
    const fields = { ...read.fields, [field]: value };
    requireFields(fields);
    const [from, to] = [read.version, read.version + 1];
    const { change, digests } = await this.#within(async (tx) => {
      const made = (await this.keys.currentOf(tx, orgId)).digests(fields);
      const intent = { version: to, digests: made };
      const id = await insertChange(tx, orgId, { secretId, path, kind: 'written', intent });
      await this.audit.record(tx, {
        ...bySystem('secret-rotation'),
        orgId,
        action: 'secret.change_started',
        target: { type: 'secret', id: secretId },
        changes: { path, kind: 'written', change: id, version: to },
        outcome: 'success',
      });
      return { change: id, digests: made };
    });
    const version = await this.kv.write(orgId, path, fields, from).catch(thrown);
    // Somebody was faster. What stands written down is settled as not done; the next attempt follows their version.
    if (version === undefined) throw SecretFault.version_conflict();
    await this.#within(async (tx) => {
      await deleteChange(tx, orgId, change);
      await insertDigests(tx, orgId, { secretId, version, path }, digests);
      await alongside(tx, { path, from, to: version, digests: { [field]: digests[field] ?? '' } });
    });
  }

  async retire(
    { orgId, secretId, before }: Parameters<Retire>[0],
    alongside: Parameters<Retire>[1],
  ): Promise<void> {
    const path = await this.#pathOf(orgId, secretId);
    const metadata = await this.kv.metadata(orgId, path).catch(thrown);
    if (!metadata) throw SecretFault.not_found();
    const versions = [...metadata.versions]
      .filter(([version, { deletedAt, destroyed }]) => version < before && !deletedAt && !destroyed)
      .map(([version]) => version);
    // Hiding twice is hiding once: where the record fails it is done again.
    await this.kv.set('delete', orgId, path, versions).catch(thrown);
    await this.#within((tx) => alongside(tx, { path, versions }));
  }

  async #pathOf(orgId: string, secretId: string): Promise<string> {
    const row = await this.#within((tx) => findVaultSecret(tx, orgId, { id: secretId }));
    if (!row) throw SecretFault.not_found();
    return row.path;
  }

  #within<T>(work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.database.acrossOrgs('rotate_secrets', work);
  }
}

function thrown(error: unknown): never {
  throw asFault(error);
}
