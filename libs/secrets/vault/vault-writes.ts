import { Injectable } from '@nestjs/common';
import type { Changes } from '#audit';
import { Database, type OrgTx, type SystemTx } from '#database';
import { Jobs } from '#jobs';
import { type Caller, Clock, newId } from '#kernel';
import { OrgKeys } from '../keys/org-keys.ts';
import { requireFields, requirePath, requireTags } from '../secret-rules.ts';
import type { Fields, SecretMetadata, SecretSettings, Which } from '../secret-store.ts';
import { SecretFault } from '../secrets.faults.ts';
import { insertDigests } from '../uses/use.store.ts';
import { asFault } from './as-fault.ts';
import { isBeingCreated } from './change.store.ts';
import { nothingTold, printTold, type Told } from './custom-metadata.ts';
import { erasureQueue } from './erasure.ts';
import { type KvMetadata, VaultKv } from './kv.ts';
import { keptVersions, metadataOf } from './metadata.ts';
import { VaultChanges } from './vault-changes.ts';
import { VaultIndex } from './vault-index.ts';
import {
  deleteVaultSecret,
  findVaultSecret,
  insertVaultSecret,
  setStamped,
  type VaultSecretRow,
} from './vault-secret.store.ts';

/** How often a write without cas follows a version that somebody else has just made. */
const FOLLOWS = 10;

/** Everything that changes a secret in Vault or OpenBao. */
@Injectable()
export class VaultWrites {
  constructor(
    private readonly database: Database,
    private readonly keys: OrgKeys,
    private readonly kv: VaultKv,
    private readonly index: VaultIndex,
    private readonly changes: VaultChanges,
    private readonly jobs: Jobs,
    private readonly clock: Clock,
  ) {}

  /** Faults: `secrets.bad_path`; `secrets.not_found`, where no secret has this id. */
  async pathOf(caller: Caller, which: Which): Promise<string> {
    if ('path' in which) {
      requirePath(which.path);
      return which.path;
    }
    const row = await this.database.inOrg(caller, (tx) => findVaultSecret(tx, tx.orgId, which));
    if (!row) throw SecretFault.not_found();
    return row.path;
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
    const orgId = caller.org.id;
    const { description, tags, maxVersions, casRequired } = settings;
    const toldOf = (id: string): Told => ({ ...nothingTold, id, description, tags });
    // Before anything is sent.
    printTold(toldOf(newId()));
    await this.#free(caller, path);
    const digests = await this.#digests(caller, fields);
    const row = { id: newId(), path, adopted: false };
    await this.changes.carryOut(caller, {
      kind: 'created',
      intent: { version: 1, digests, settings },
      about: async (tx) => {
        if (!(await insertVaultSecret(tx, orgId, row))) throw pathTaken();
        return row;
      },
      send: async (id, stepDone) => {
        if ((await this.kv.write(orgId, path, fields, 0)) === undefined) throw pathTaken();
        stepDone();
        await this.kv.configure(orgId, path, { told: toldOf(id), maxVersions, casRequired });
      },
      done: async (tx, _answer, secretId) => {
        await insertDigests(tx, orgId, { secretId, version: 1, path }, digests);
        return { version: 1, digests };
      },
    });
    const now = this.clock.now();
    const dates = { createdAt: now, updatedAt: now, deletedAt: undefined };
    return { ...settings, id: row.id, path, currentVersion: 1, ...dates };
  }

  async write(caller: Caller, which: Which, fields: Fields, cas?: number): Promise<SecretMetadata> {
    requireFields(fields);
    const orgId = caller.org.id;
    const path = await this.pathOf(caller, which);
    const digests = await this.#digests(caller, fields);
    await this.changes.settle({ orgId, path }).catch(thrown);
    for (let attempt = 1; ; attempt += 1) {
      const before = await this.#metadata(caller, path);
      const { currentVersion, told } = before;
      if (told.deletedAt) throw SecretFault.deleted();
      if (cas === undefined && before.casRequired) throw SecretFault.cas_required();
      if (cas !== undefined && cas !== currentVersion)
        throw SecretFault.version_conflict({ data: { currentVersion } });
      const version = currentVersion + 1;
      let row: VaultSecretRow | undefined;
      const written = this.changes.carryOut(caller, {
        kind: 'written',
        intent: { version, digests },
        about: async (tx) => (row = await this.#bound(tx, caller, path, which, told)),
        send: async (id, stepDone) => {
          // What others put there bears our id from our first version on.
          if (row?.adopted) await this.kv.configure(orgId, path, { told: { ...told, id } });
          if ((await this.kv.write(orgId, path, fields, currentVersion)) === undefined)
            throw SecretFault.version_conflict({ data: { currentVersion: version } });
          stepDone();
        },
        done: async (tx, _answer, secretId) => {
          if (row?.adopted) await setStamped(tx, orgId, secretId);
          await insertDigests(tx, orgId, { secretId, version, path }, digests);
          const pruned = Math.max(0, before.versions.size + 1 - keptVersions(before));
          return { version, digests, pruned };
        },
      });
      const conflict = await written.then(
        () => undefined,
        (error: unknown) => error,
      );
      if (conflict === undefined && row)
        return metadataOf(row, { ...before, currentVersion: version, updatedAt: this.clock.now() });
      const follows = cas === undefined && attempt < FOLLOWS && isConflict(conflict);
      if (!follows) throw conflict;
    }
  }

  async update(caller: Caller, which: Which, settings: Partial<SecretSettings>): Promise<SecretMetadata> {
    if (settings.tags) requireTags(settings.tags);
    const { description, tags, maxVersions, casRequired } = settings;
    const { orgId, path, before, about } = await this.#changing(caller, which);
    const told: Told = {
      ...before.told,
      ...(description !== undefined && { description }),
      ...(tags !== undefined && { tags }),
    };
    printTold(told);
    // Older versions go at once, and not at the next write.
    const keep = maxVersions ?? keptVersions(before);
    const old = [...before.versions].flatMap(([version, { destroyed }]) =>
      destroyed || version > before.currentVersion - keep ? [] : [version],
    );
    let row: VaultSecretRow | undefined;
    await this.changes.carryOut(caller, {
      kind: 'updated',
      intent: {},
      about: async (tx) => (row = await about(tx)),
      send: async (id, stepDone) => {
        const borne = row?.adopted ? {} : { id };
        await this.kv.configure(orgId, path, { told: { ...told, ...borne }, maxVersions, casRequired });
        stepDone();
        await this.kv.set('destroy', orgId, path, old);
      },
      done: async (_tx, _answer, id) => {
        const was = metadataOf({ id, path, adopted: false }, before);
        const changes: Changes = { pruned: old.length };
        for (const name of ['description', 'tags', 'maxVersions', 'casRequired'] as const) {
          if (settings[name] !== undefined) changes[name] = { from: was[name], to: settings[name] };
        }
        return changes;
      },
    });
    if (!row) throw SecretFault.not_found();
    return metadataOf(row, {
      ...before,
      told,
      maxVersions: maxVersions ?? before.maxVersions,
      casRequired: casRequired ?? before.casRequired,
      updatedAt: this.clock.now(),
    });
  }

  async remove(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    const { orgId, path, before, about } = await this.#changing(caller, which);
    const { told } = before;
    if (versions) requireVersions(before, versions, true);
    const live = [...before.versions].flatMap(([version, { deletedAt, destroyed }]) =>
      deletedAt || destroyed ? [] : [version],
    );
    await this.changes.carryOut(caller, {
      kind: 'deleted',
      intent: { versions },
      about,
      send: async (_id, stepDone) => {
        const after: Told = versions
          ? { ...told, deletedVersions: told.deletedVersions.filter((one) => !versions.includes(one)) }
          : {
              ...told,
              deletedAt: told.deletedAt ?? this.clock.now(),
              deletedVersions: [...told.deletedVersions, ...live],
            };
        // The sign first: what is hidden is hidden from then on, whatever becomes of the rest.
        if (!versions || told.deletedAt) await this.kv.configure(orgId, path, { told: after });
        stepDone();
        await this.kv.set('delete', orgId, path, versions ?? live);
      },
      done: async () => namesOf(versions),
    });
  }

  async undelete(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    const { orgId, path, before, about } = await this.#changing(caller, which);
    const { told } = before;
    if (versions) requireVersions(before, versions, true);
    await this.changes.carryOut(caller, {
      kind: 'undeleted',
      intent: { versions },
      about,
      send: async (_id, stepDone) => {
        await this.kv.set('undelete', orgId, path, versions ?? told.deletedVersions);
        stepDone();
        if (versions) return;
        await this.kv.configure(orgId, path, {
          told: { ...told, deletedAt: undefined, deletedVersions: [] },
        });
      },
      done: async () => namesOf(versions),
    });
  }

  async destroy(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    const { orgId, path, before, about } = await this.#changing(caller, which);
    if (versions) requireVersions(before, versions, false);
    await this.changes.carryOut(caller, {
      kind: 'destroyed',
      intent: { versions },
      about,
      send: async () => {
        if (versions) await this.kv.set('destroy', orgId, path, versions);
        else await this.kv.erase(orgId, path);
      },
      done: async (tx, _answer, id) => {
        if (!versions) await deleteVaultSecret(tx, orgId, id);
        return namesOf(versions);
      },
    });
  }

  /** What the server holds of an organization goes by a job that commits with the end of the organization. */
  async eraseLater(tx: SystemTx, orgId: string): Promise<void> {
    await this.jobs.enqueue(tx, erasureQueue, { orgId });
  }

  /** What lies there, with nothing left behind by a process that died. */
  async #changing(caller: Caller, which: Which) {
    const orgId = caller.org.id;
    const path = await this.pathOf(caller, which);
    await this.changes.settle({ orgId, path }).catch(thrown);
    const before = await this.#metadata(caller, path);
    const about = (tx: OrgTx): Promise<VaultSecretRow> => this.#bound(tx, caller, path, which, before.told);
    return { orgId, path, before, about };
  }

  /** Makes way where only a row is left of what others removed. Fault: `secrets.path_taken`. */
  async #free(caller: Caller, path: string): Promise<void> {
    const orgId = caller.org.id;
    await this.changes.settle({ orgId, path }).catch(thrown);
    if (await this.kv.metadata(orgId, path).catch(thrown)) throw pathTaken();
    await this.database.inOrg(caller, async (tx) => {
      const row = await findVaultSecret(tx, orgId, { path });
      if (!row) return;
      if (await isBeingCreated(tx, orgId, row.id)) throw pathTaken();
      await this.index.retire(tx, caller, row);
    });
  }

  async #metadata(caller: Caller, path: string): Promise<KvMetadata> {
    const metadata = await this.kv.metadata(caller.org.id, path).catch(thrown);
    if (!metadata || metadata.currentVersion === 0) throw SecretFault.not_found();
    return metadata;
  }

  async #digests(caller: Caller, fields: Fields): Promise<Record<string, string>> {
    return this.database.inOrg(caller, async (tx) => (await this.keys.current(tx, caller)).digests(fields));
  }

  async #bound(tx: OrgTx, caller: Caller, path: string, which: Which, told: Told): Promise<VaultSecretRow> {
    const row = await this.index.bind(tx, tx.orgId, path, told, caller);
    if ('id' in which && which.id !== row.id) throw SecretFault.not_found();
    return row;
  }
}

function pathTaken() {
  return SecretFault.path_taken({ errors: [{ path: 'path', message: 'is taken' }] });
}

function isConflict(error: unknown): boolean {
  return (error as { code?: unknown }).code === SecretFault.version_conflict.code;
}

/** Of versions that were named each must be there, and not destroyed where it is to be hidden or shown. */
function requireVersions({ versions }: KvMetadata, named: readonly number[], alive: boolean): void {
  const all = named.every((version) => {
    const one = versions.get(version);
    return one && !(alive && one.destroyed);
  });
  if (!all) throw SecretFault.version_not_found();
}

function namesOf(versions: readonly number[] | undefined): Changes {
  return { versions: versions === undefined ? 'all' : [...versions] };
}

function thrown(error: unknown): never {
  throw asFault(error);
}
