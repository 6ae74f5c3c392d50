import { Injectable } from '@nestjs/common';
import { Audit, type AuditAction, type Changes } from '#audit';
import { Database, type OrgTx, type SystemTx } from '#database';
import { type Caller, Fault } from '#kernel';
import { requireFields, requirePath, requireTags } from '../secret-rules.ts';
import {
  type Fields,
  type FoundValue,
  type OpenedSecret,
  type Resolver,
  type SecretMetadata,
  type SecretSettings,
  SecretStore,
  type VersionMetadata,
  type Which,
} from '../secret-store.ts';
import type { SecretReference } from '../reference.ts';
import { recordRefused, recordResolved } from '../resolution.ts';
import { ResolvedSecret, Secret } from '../secret.ts';
import { SecretFault } from '../secrets.faults.ts';
import { findDigest, insertDigests, insertUse } from './digest.store.ts';
import type { OrgKey } from './org-key.ts';
import { OrgKeys } from './org-keys.ts';
import {
  deleteSecret,
  destroyVersions,
  findSecret,
  insertSecret,
  insertVersion,
  lockSecret,
  pruneVersions,
  readSealed,
  readSecrets,
  readVersions,
  type SealedRow,
  type SecretRow,
  setCurrentVersion,
  setDeleted,
  updateSecret,
} from './secret.store.ts';

/** Places of one value, and uses in each, that a search tells. */
const MAX_FOUND = 100;

type Opened = { id: string; path: string; version: number; fields: Fields; key: OrgKey };

/** Secrets in the product's own database, encrypted by the key of their organization. */
@Injectable()
export class EmbeddedStore extends SecretStore {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
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
      await this.#record(tx, caller, 'secret.created', row, { path, version: 1, digests });
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
      await this.#record(tx, caller, 'secret.written', row, { path: row.path, version, digests, pruned });
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
      await this.#record(tx, caller, 'secret.updated', row, changes);
      return now;
    });
  }

  async reveal(caller: Caller, which: Which, version?: number): Promise<OpenedSecret> {
    const request = { requestId: caller.request.id, usedBy: `${caller.kind}:${caller.id}` };
    const opened = await this.database.inOrg(caller, async (tx) => {
      const found = await this.#open(tx, caller.org.id, which, version);
      if ('fault' in found) {
        const { id, fault } = found;
        if (id !== undefined) await this.#record(tx, caller, 'secret.revealed', { id }, {}, fault.code);
        return fault;
      }
      const { key, ...secret } = found;
      await insertUse(tx, caller.org.id, {
        ...request,
        secretId: secret.id,
        version: secret.version,
        field: undefined,
        kind: 'revealed',
      });
      await this.#record(tx, caller, 'secret.revealed', secret, usedOf(secret, secret.fields, key));
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
        await recordRefused(tx, this.audit, resolver, reference, fault.code, found.id);
        return fault;
      }
      const secret = new ResolvedSecret(value, {
        secretId: found.id,
        path,
        version: found.version,
        digest: found.key.digest(value),
      });
      await recordResolved(tx, this.audit, resolver, field, secret.found);
      return secret;
    });
    if (answer instanceof Fault) throw answer;
    return answer;
  }

  async remove(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    await this.#change(caller, which, async (tx, row) => {
      requireFound(await setDeleted(tx, row.id, versions, true), versions);
      await this.#record(tx, caller, 'secret.deleted', row, namesOf(row, versions));
    });
  }

  async undelete(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    await this.#change(caller, which, async (tx, row) => {
      requireFound(await setDeleted(tx, row.id, versions, false), versions);
      await this.#record(tx, caller, 'secret.undeleted', row, namesOf(row, versions));
    });
  }

  async destroy(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    await this.#change(caller, which, async (tx, row) => {
      await this.#record(tx, caller, 'secret.destroyed', row, namesOf(row, versions));
      if (versions === undefined) await deleteSecret(tx, row.id);
      else requireFound(await destroyVersions(tx, row.id, versions), versions);
    });
  }

  async find(caller: Caller, value: string): Promise<readonly FoundValue[]> {
    return this.database.inOrg(caller, async (tx) => {
      const digest = (await this.keys.existing(tx))?.digest(value);
      const rows = digest === undefined ? [] : await findDigest(tx, digest, MAX_FOUND);
      await this.audit.append(tx, caller, {
        action: 'secret.searched',
        target: { type: 'organization', id: tx.orgId },
        changes: { digest: digest ?? null, found: rows.length },
      });
      return rows.map(({ secret_id: secretId, ...found }) => ({ secretId, ...found }));
    });
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
    { id: secretId, path }: SecretRow,
    version: number,
    fields: Fields,
  ): Promise<Record<string, string>> {
    const key = await this.keys.current(tx, caller);
    const ciphertext = key.encrypt(fields, { orgId: tx.orgId, secretId, path, version });
    await insertVersion(tx, { secretId, version, keyId: key.id, ciphertext, fields: Object.keys(fields) });
    const digests = digestsOf(fields, key);
    await insertDigests(tx, { secretId, version, path }, digests);
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

  async #record(
    tx: OrgTx,
    caller: Caller,
    action: AuditAction,
    { id }: { id: string },
    changes: Changes,
    reason?: string,
  ): Promise<void> {
    const outcome = reason === undefined ? 'success' : 'failure';
    await this.audit.append(tx, caller, { action, target: { type: 'secret', id }, changes, outcome, reason });
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

/** What the record of a use says: which values they were, to whoever has the key and the value. */
function usedOf({ path, version }: Opened | Omit<Opened, 'key'>, fields: Fields, key: OrgKey): Changes {
  return { path, version, digests: digestsOf(fields, key) };
}

function digestsOf(fields: Fields, key: OrgKey): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, key.digest(value)]));
}

function namesOf({ path }: SecretRow, versions: readonly number[] | undefined): Changes {
  return { path, versions: versions === undefined ? 'all' : [...versions] };
}

/** Of versions that were named each must have been there. */
function requireFound(found: number, versions: readonly number[] | undefined): void {
  if (versions !== undefined && found !== new Set(versions).size) throw SecretFault.version_not_found();
}
