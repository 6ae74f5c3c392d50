import { Injectable } from '@nestjs/common';
import type { Changes } from '#audit';
import { Database, type OrgTx, type SystemTx } from '#database';
import { type Caller, Fault } from '#kernel';
import type { OrgKey } from '../keys/org-key.ts';
import { OrgKeys } from '../keys/org-keys.ts';
import { requireFields, requirePath, requireTags } from '../secret-rules.ts';
import {
  type Fields,
  type FoundValue,
  type NewestVersion,
  type OpenedSecret,
  type Resolver,
  type Retired,
  type Rotated,
  type SecretMetadata,
  type SecretSettings,
  SecretStore,
  type VersionMetadata,
  type Which,
} from '../secret-store.ts';
import type { SecretReference } from '../reference.ts';
import { ResolvedSecret, Secret } from '../secret.ts';
import { SecretFault } from '../secrets.faults.ts';
import { SecretLog } from '../uses/secret-log.ts';
import { insertDigests } from '../uses/use.store.ts';
import {
  deleteSecret,
  destroyVersions,
  findSecret,
  hideBefore,
  insertSecret,
  insertVersion,
  lockSecret,
  pruneVersions,
  readNewest,
  readSealed,
  readSecrets,
  readVersions,
  rowsOf,
  type SealedRow,
  type SecretRow,
  setCurrentVersion,
  setDeleted,
  updateSecret,
} from './secret.store.ts';

type Opened = { id: string; path: string; version: number; fields: Fields; key: OrgKey };

/** Secrets in the product's own database, encrypted by the key of their organization. */
@Injectable()
export class EmbeddedStore extends SecretStore {
  constructor(
    private readonly database: Database,
    private readonly log: SecretLog,
    private readonly keys: OrgKeys,
  ) {
    super();
  }

  async list(
    caller: Caller,
    { prefix, after, limit }: { prefix?: string; after?: string; limit: number },
  ): Promise<SecretMetadata[]> {
    const rows = await this.database.inOrg(caller, (tx) => readSecrets(tx, prefix, after, limit));
    return rows.map(metadataOf);
  }

  async describe(
    caller: Caller,
    which: Which,
  ): Promise<SecretMetadata & { versions: readonly VersionMetadata[] }> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await findSecret(tx, which);
      if (!row) throw SecretFault.not_found();
      const versions = (await readVersions(tx, row.id)).map((version) => ({
        version: version.version,
        fields: version.fields,
        createdAt: version.created_at,
        deletedAt: version.deleted_at ?? undefined,
        destroyedAt: version.destroyed_at ?? undefined,
      }));
      return { ...metadataOf(row), versions };
    });
  }

  async newest(
    tx: OrgTx | SystemTx,
    orgId: string,
    paths: readonly string[],
  ): Promise<ReadonlyMap<string, NewestVersion>> {
    const rows = await readNewest(rowsOf(tx, orgId), paths);
    return new Map(rows.map(({ path, version, created_at: createdAt }) => [path, { version, createdAt }]));
  }

  async create(
    caller: Caller,
    path: string,
    fields: Fields,
    settings: SecretSettings,
  ): Promise<SecretMetadata> {
    requirePath(path);
    requireFields(fields);
    requireTags(settings.tags);
    return this.database.inOrg(caller, async (tx) => {
      const row = await insertSecret(tx, path, settings);
      if (!row) throw SecretFault.path_taken({ errors: [{ path: 'path', message: 'is taken' }] });
      const digests = await this.#addVersion(tx, caller, row, 1, fields);
      await this.log.changed(tx, caller, 'secret.created', row.id, { path, version: 1, digests });
      return metadataOf(row);
    });
  }

  async write(caller: Caller, which: Which, fields: Fields, cas?: number): Promise<SecretMetadata> {
    requireFields(fields);
    return this.#change(caller, which, async (tx, row) => {
      if (row.deleted_at) throw SecretFault.deleted();
      if (cas === undefined && row.cas_required) throw SecretFault.cas_required();
      const currentVersion = row.current_version;
      if (cas !== undefined && cas !== currentVersion)
        throw SecretFault.version_conflict({ data: { currentVersion } });
      const version = currentVersion + 1;
      const digests = await this.#addVersion(tx, caller, row, version, fields);
      await setCurrentVersion(tx, row.id, version);
      const pruned = await pruneVersions(tx, row.id, row.max_versions);
      await this.log.changed(tx, caller, 'secret.written', row.id, {
        path: row.path,
        version,
        digests,
        pruned,
      });
      return metadataOf({ ...row, current_version: version });
    });
  }

  async update(caller: Caller, which: Which, settings: Partial<SecretSettings>): Promise<SecretMetadata> {
    if (settings.tags) requireTags(settings.tags);
    return this.#change(caller, which, async (tx, row) => {
      const after = await updateSecret(tx, row.id, settings);
      if (!after) throw SecretFault.not_found();
      const pruned = await pruneVersions(tx, row.id, after.max_versions);
      const before = metadataOf(row);
      const now = metadataOf(after);
      const changes: Changes = { path: row.path, pruned };
      for (const name of ['description', 'tags', 'maxVersions', 'casRequired'] as const) {
        if (settings[name] !== undefined) changes[name] = { from: before[name], to: now[name] };
      }
      await this.log.changed(tx, caller, 'secret.updated', row.id, changes);
      return now;
    });
  }

  async reveal(caller: Caller, which: Which, version?: number): Promise<OpenedSecret> {
    const opened = await this.database.inOrg(caller, async (tx) => {
      const found = await this.#open(tx, caller.org.id, which, version);
      if ('fault' in found) {
        const { id, fault } = found;
        if (id !== undefined) await this.log.changed(tx, caller, 'secret.revealed', id, {}, fault.code);
        return fault;
      }
      const { key, ...secret } = found;
      await this.log.revealed(tx, caller, { ...secret, digests: key.digests(secret.fields) });
      return secret;
    });
    if (opened instanceof Fault) throw opened;
    const fields = new Map(Object.entries(opened.fields).map(([name, value]) => [name, new Secret(value)]));
    return { ...opened, fields };
  }

  async resolve(resolver: Resolver, reference: SecretReference): Promise<ResolvedSecret> {
    const { path, field, version } = reference;
    const answer = await this.database.acrossOrgs('resolve_secrets', async (tx) => {
      const found = await this.#open(tx, resolver.orgId, { path }, version);
      const value = 'fault' in found || !Object.hasOwn(found.fields, field) ? undefined : found.fields[field];
      if ('fault' in found || value === undefined) {
        const fault = 'fault' in found ? found.fault : SecretFault.field_not_found();
        await this.log.refused(tx, resolver, reference, fault.code, found.id);
        return fault;
      }
      const secret = new ResolvedSecret(value, {
        secretId: found.id,
        path,
        version: found.version,
        digest: found.key.digest(value),
      });
      await this.log.resolved(tx, resolver, field, secret.found);
      return secret;
    });
    if (answer instanceof Fault) throw answer;
    return answer;
  }

  async remove(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    await this.#change(caller, which, async (tx, row) => {
      requireFound(await setDeleted(tx, row.id, versions, true), versions);
      await this.log.changed(tx, caller, 'secret.deleted', row.id, namesOf(row, versions));
    });
  }

  async undelete(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    await this.#change(caller, which, async (tx, row) => {
      requireFound(await setDeleted(tx, row.id, versions, false), versions);
      await this.log.changed(tx, caller, 'secret.undeleted', row.id, namesOf(row, versions));
    });
  }

  async destroy(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    await this.#change(caller, which, async (tx, row) => {
      await this.log.changed(tx, caller, 'secret.destroyed', row.id, namesOf(row, versions));
      if (versions === undefined) await deleteSecret(tx, row.id);
      else requireFound(await destroyVersions(tx, row.id, versions), versions);
    });
  }

  async rotate(
    { orgId, secretId, field, value }: Parameters<SecretStore['rotate']>[0],
    alongside: (tx: SystemTx, done: Rotated) => Promise<void>,
  ): Promise<void> {
    await this.database.acrossOrgs('rotate_secrets', async (tx) => {
      const rows = rowsOf(tx, orgId);
      const row = await lockSecret(rows, { id: secretId });
      const opened = this.#unseal(orgId, await readSealed(tx, orgId, { id: secretId }, undefined));
      if (!row) throw SecretFault.not_found();
      const fields = { ...opened.fields, [field]: value };
      requireFields(fields);
      const [from, to] = [row.current_version, row.current_version + 1];
      await this.#store(tx, orgId, opened.key, row, to, fields);
      await setCurrentVersion(rows, secretId, to);
      // The one before is valid for as long as the overlap, however few are kept.
      await pruneVersions(rows, secretId, Math.max(row.max_versions, 2));
      await alongside(tx, { path: row.path, from, to, digests: opened.key.digests({ [field]: value }) });
    });
  }

  async retire(
    { orgId, secretId, before }: Parameters<SecretStore['retire']>[0],
    alongside: (tx: SystemTx, done: Retired) => Promise<void>,
  ): Promise<void> {
    await this.database.acrossOrgs('rotate_secrets', async (tx) => {
      const rows = rowsOf(tx, orgId);
      const row = await lockSecret(rows, { id: secretId });
      if (!row) throw SecretFault.not_found();
      await alongside(tx, { path: row.path, versions: await hideBefore(tx, orgId, secretId, before) });
    });
  }

  forget(tx: SystemTx, caller: Caller, orgId: string): Promise<void> {
    return this.keys.destroy(tx, caller, orgId);
  }

  find(caller: Caller, value: string): Promise<readonly FoundValue[]> {
    return this.log.find(caller, value);
  }

  /** With the secret's row locked. */
  async #change<T>(
    caller: Caller,
    which: Which,
    work: (tx: OrgTx, row: SecretRow) => Promise<T>,
  ): Promise<T> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await lockSecret(tx, which);
      if (!row) throw SecretFault.not_found();
      return work(tx, row);
    });
  }

  /** Answers the digest of each field. */
  async #addVersion(
    tx: OrgTx,
    caller: Caller,
    row: SecretRow,
    version: number,
    fields: Fields,
  ): Promise<Record<string, string>> {
    return this.#store(tx, tx.orgId, await this.keys.current(tx, caller), row, version, fields);
  }

  async #store(
    tx: OrgTx | SystemTx,
    orgId: string,
    key: OrgKey,
    { id: secretId, path }: SecretRow,
    version: number,
    fields: Fields,
  ): Promise<Record<string, string>> {
    const ciphertext = key.encrypt(fields, { orgId, secretId, path, version });
    await insertVersion(rowsOf(tx, orgId), {
      secretId,
      version,
      keyId: key.id,
      ciphertext,
      fields: Object.keys(fields),
    });
    const digests = key.digests(fields);
    await insertDigests(tx, orgId, { secretId, version, path }, digests);
    return digests;
  }

  /** Answers a fault instead of throwing it, so that the record of the attempt commits. */
  async #open(
    tx: OrgTx | SystemTx,
    orgId: string,
    which: Which,
    version: number | undefined,
  ): Promise<Opened | { id: string | undefined; fault: Fault }> {
    const row = await readSealed(tx, orgId, which, version);
    try {
      return this.#unseal(orgId, row);
    } catch (fault) {
      if (fault instanceof Fault) return { id: row?.id, fault };
      throw fault;
    }
  }

  #unseal(orgId: string, row: SealedRow | undefined): Opened {
    if (!row) throw SecretFault.not_found();
    const { id, path, version, ciphertext } = row;
    if (row.secret_deleted_at) throw SecretFault.deleted();
    if (version === null) throw SecretFault.version_not_found();
    if (row.destroyed_at || ciphertext === null) throw SecretFault.destroyed();
    if (row.deleted_at) throw SecretFault.deleted();
    const key = this.keys.open(orgId, row.key_id, row.wrapped_key);
    try {
      return {
        id,
        path,
        version,
        key,
        fields: key.decrypt(ciphertext, { orgId, secretId: id, path, version }),
      };
    } catch (cause) {
      throw SecretFault.unreadable({ detail: `version ${version} of the secret ${id} does not open`, cause });
    }
  }
}

function metadataOf(row: SecretRow): SecretMetadata {
  return {
    id: row.id,
    path: row.path,
    description: row.description,
    tags: row.tags,
    currentVersion: row.current_version,
    maxVersions: row.max_versions,
    casRequired: row.cas_required,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    deletedAt: row.deleted_at ?? undefined,
  };
}

function namesOf({ path }: SecretRow, versions: readonly number[] | undefined): Changes {
  return { path, versions: versions === undefined ? 'all' : [...versions] };
}

/** Of versions that were named each must have been there. */
function requireFound(found: number, versions: readonly number[] | undefined): void {
  if (versions !== undefined && found !== new Set(versions).size) throw SecretFault.version_not_found();
}
