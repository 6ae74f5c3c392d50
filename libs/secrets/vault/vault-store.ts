import { Injectable } from '@nestjs/common';
import { Database, type OrgTx, type SystemTx } from '#database';
import { type Caller, Fault } from '#kernel';
import { OrgKeys } from '../keys/org-keys.ts';
import { pathFault, type SecretReference } from '../reference.ts';
import { requirePath } from '../secret-rules.ts';
import {
  type Fields,
  type FoundValue,
  type NewestVersion,
  type OpenedSecret,
  type Resolver,
  type SecretMetadata,
  type SecretSettings,
  SecretStore,
  type VersionMetadata,
  type Which,
} from '../secret-store.ts';
import { ResolvedSecret, Secret } from '../secret.ts';
import { SecretFault } from '../secrets.faults.ts';
import { SecretLog } from '../uses/secret-log.ts';
import { asFault } from './as-fault.ts';
import type { Told } from './custom-metadata.ts';
import { VaultFailure } from './failure.ts';
import { VaultKv } from './kv.ts';
import { metadataOf, newestOf, versionsOf } from './metadata.ts';
import { VaultIndex } from './vault-index.ts';
import {
  findVaultSecret,
  findVaultSecrets,
  readFieldNames,
  type VaultSecretRow,
} from './vault-secret.store.ts';
import { VaultRotations } from './vault-rotations.ts';
import { VaultWrites } from './vault-writes.ts';

/** Requests that one list has under way at once. */
const AT_ONCE = 8;

interface Live {
  readonly version: number;
  readonly told: Told;
  readonly fields: Fields;
}

type Refused = { readonly fault: Fault; readonly told?: Told };

/**
 * Secrets in Vault or OpenBao, where others may change them too: it is asked each time, and what it says holds. A
 * value is read first, then its use is recorded, and only then is it given.
 */
@Injectable()
export class VaultStore extends SecretStore {
  constructor(
    private readonly database: Database,
    private readonly log: SecretLog,
    private readonly keys: OrgKeys,
    private readonly kv: VaultKv,
    private readonly index: VaultIndex,
    private readonly writes: VaultWrites,
    private readonly rotations: VaultRotations,
  ) {
    super();
  }

  async list(
    caller: Caller,
    { prefix, after, limit }: { prefix?: string; after?: string; limit: number },
  ): Promise<SecretMetadata[]> {
    const orgId = caller.org.id;
    const found = await answered(async () => {
      const paths: string[] = [];
      for await (const path of this.kv.paths(orgId, prefix, after)) if (paths.push(path) === limit) break;
      return inTurns(paths, async (path) => ({ path, metadata: await this.kv.metadata(orgId, path) }));
    });
    return this.database.inOrg(caller, async (tx) => {
      const rows = await findVaultSecrets(
        tx,
        orgId,
        found.map(({ path }) => path),
      );
      const known = new Map(rows.map((row) => [row.path, row]));
      const items: SecretMetadata[] = [];
      for (const { path, metadata } of found) {
        // Gone since it was listed.
        if (!metadata || metadata.currentVersion === 0) continue;
        const row = known.get(path);
        const same = row !== undefined && row.id === metadata.told.id;
        items.push(
          metadataOf(same ? row : await this.index.bind(tx, orgId, path, metadata.told, caller), metadata),
        );
      }
      return items;
    });
  }

  async describe(
    caller: Caller,
    which: Which,
  ): Promise<SecretMetadata & { versions: readonly VersionMetadata[] }> {
    const path = await this.writes.pathOf(caller, which);
    const metadata = await answered(() => this.kv.metadata(caller.org.id, path));
    if (!metadata || metadata.currentVersion === 0) throw SecretFault.not_found();
    return this.database.inOrg(caller, async (tx) => {
      const row = await this.#bound(tx, caller, path, which, metadata.told);
      const names = await readFieldNames(tx, row.id);
      return { ...metadataOf(row, metadata), versions: versionsOf(metadata, names) };
    });
  }

  async newest(
    _tx: OrgTx | SystemTx,
    orgId: string,
    paths: readonly string[],
  ): Promise<ReadonlyMap<string, NewestVersion>> {
    const named = [...new Set(paths)].filter((path) => pathFault(path) === undefined);
    const found = await answered(() =>
      inTurns(named, async (path) => [path, await this.kv.metadata(orgId, path)] as const),
    );
    return new Map(
      found.flatMap(([path, metadata]) => {
        const newest = metadata && !metadata.told.deletedAt && newestOf(metadata);
        return newest ? [[path, newest]] : [];
      }),
    );
  }

  create(caller: Caller, path: string, fields: Fields, settings: SecretSettings): Promise<SecretMetadata> {
    return this.writes.create(caller, path, fields, settings);
  }

  write(caller: Caller, which: Which, fields: Fields, cas?: number): Promise<SecretMetadata> {
    return this.writes.write(caller, which, fields, cas);
  }

  update(caller: Caller, which: Which, settings: Partial<SecretSettings>): Promise<SecretMetadata> {
    return this.writes.update(caller, which, settings);
  }

  async reveal(caller: Caller, which: Which, version?: number): Promise<OpenedSecret> {
    const path = await this.writes.pathOf(caller, which);
    const found = await this.#open(caller.org.id, path, version);
    const opened = await this.database.inOrg(caller, async (tx) => {
      if ('fault' in found) {
        const row = await this.#known(tx, caller, path, which, found.told);
        if (row) await this.log.changed(tx, caller, 'secret.revealed', row.id, {}, found.fault.code);
        return found.fault;
      }
      const { id } = await this.#bound(tx, caller, path, which, found.told);
      const key = await this.keys.current(tx, caller);
      await this.log.revealed(tx, caller, {
        id,
        path,
        version: found.version,
        digests: key.digests(found.fields),
      });
      return { id, path, version: found.version, fields: found.fields };
    });
    if (opened instanceof Fault) throw opened;
    const fields = new Map(Object.entries(opened.fields).map(([name, value]) => [name, new Secret(value)]));
    return { ...opened, fields };
  }

  async resolve(resolver: Resolver, reference: SecretReference): Promise<ResolvedSecret> {
    const { path, field, version } = reference;
    requirePath(path);
    const { orgId } = resolver;
    const found = await this.#open(orgId, path, version);
    const value = 'fault' in found || !Object.hasOwn(found.fields, field) ? undefined : found.fields[field];
    const answer = await this.database.acrossOrgs('resolve_secrets', async (tx) => {
      if ('fault' in found || value === undefined) {
        const fault = 'fault' in found ? found.fault : SecretFault.field_not_found();
        const row = await findVaultSecret(tx, orgId, { path });
        await this.log.refused(tx, resolver, reference, fault.code, row?.id);
        return fault;
      }
      // First, for it knows whether there still is such an organization.
      const digest = (await this.keys.currentOf(tx, orgId)).digest(value);
      const { id } = await this.index.bind(tx, orgId, path, found.told);
      const secret = new ResolvedSecret(value, { secretId: id, path, version: found.version, digest });
      await this.log.resolved(tx, resolver, field, secret.found);
      return secret;
    });
    if (answer instanceof Fault) throw answer;
    return answer;
  }

  /** Also whether this process still has a token. */
  override async probe(): Promise<void> {
    await answered(() => this.kv.probe());
  }

  remove(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    return this.writes.remove(caller, which, versions);
  }

  undelete(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    return this.writes.undelete(caller, which, versions);
  }

  destroy(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    return this.writes.destroy(caller, which, versions);
  }

  rotate(...rotation: Parameters<SecretStore['rotate']>): Promise<void> {
    return this.rotations.rotate(...rotation);
  }

  retire(...retired: Parameters<SecretStore['retire']>): Promise<void> {
    return this.rotations.retire(...retired);
  }

  find(caller: Caller, value: string): Promise<readonly FoundValue[]> {
    return this.log.find(caller, value);
  }

  async forget(tx: SystemTx, caller: Caller, orgId: string): Promise<void> {
    await this.keys.destroy(tx, caller, orgId);
    await this.writes.eraseLater(tx, orgId);
  }

  /** Answers a fault instead of throwing it, so that the record of the attempt commits. */
  async #open(orgId: string, path: string, version: number | undefined): Promise<Live | Refused> {
    try {
      const read = await this.kv.read(orgId, path, version);
      if (read?.told.deletedAt) return { fault: SecretFault.deleted(), told: read.told };
      if (read?.state === 'live') return read;
      if (read) {
        return {
          fault: read.state === 'destroyed' ? SecretFault.destroyed() : SecretFault.deleted(),
          told: read.told,
        };
      }
      const metadata = await this.kv.metadata(orgId, path);
      if (!metadata || metadata.currentVersion === 0) return { fault: SecretFault.not_found() };
      const { told } = metadata;
      // Two answers of different states: it was written or replaced between them.
      if (metadata.versions.has(version ?? metadata.currentVersion))
        throw new VaultFailure('failing', { detail: 'two answers that do not go together' });
      return { fault: told.deletedAt ? SecretFault.deleted() : SecretFault.version_not_found(), told };
    } catch (error) {
      return { fault: asFault(error) };
    }
  }

  /** The row of what was read, which must be what was asked for. Fault: `secrets.not_found`. */
  async #bound(tx: OrgTx, caller: Caller, path: string, which: Which, told: Told): Promise<VaultSecretRow> {
    const row = await this.index.bind(tx, tx.orgId, path, told, caller);
    if ('id' in which && which.id !== row.id) throw SecretFault.not_found();
    return row;
  }

  async #known(
    tx: OrgTx,
    caller: Caller,
    path: string,
    which: Which,
    told: Told | undefined,
  ): Promise<VaultSecretRow | undefined> {
    return told ? this.#bound(tx, caller, path, which, told) : findVaultSecret(tx, tx.orgId, { path });
  }
}

/** Rejects with a Fault. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  return ask().catch((error: unknown) => {
    throw asFault(error);
  });
}

async function inTurns<T, R>(all: readonly T[], ask: (one: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (let at = 0; at < all.length; at += AT_ONCE)
    answers.push(...(await Promise.all(all.slice(at, at + AT_ONCE).map(ask))));
  return answers;
}
