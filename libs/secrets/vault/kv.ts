import { pathFault } from '../reference.ts';
import type { Fields } from '../secret-store.ts';
import { SecretFault } from '../secrets.faults.ts';
import { printTold, readTold, type Told } from './custom-metadata.ts';
import { VaultFailure } from './failure.ts';
import { type VaultPath, vaultPath } from './path.ts';
import { record, type Reply } from './reply.ts';
import type { Vault } from './vault.ts';

export interface KvVersion {
  readonly createdAt: Date;
  readonly deletedAt: Date | undefined;
  readonly destroyed: boolean;
}

export interface KvMetadata {
  readonly currentVersion: number;
  /** 0 where the mount decides. */
  readonly maxVersions: number;
  readonly casRequired: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly told: Told;
  readonly versions: ReadonlyMap<number, KvVersion>;
}

/** One version. Its fields only where it is live. */
export interface KvRead {
  readonly state: 'live' | 'deleted' | 'destroyed';
  readonly version: number;
  readonly told: Told;
  readonly fields: Fields;
}

export interface KvSettings {
  readonly told?: Told;
  readonly maxVersions?: number | undefined;
  readonly casRequired?: boolean | undefined;
}

type Area = 'data' | 'metadata' | 'delete' | 'undelete' | 'destroy';

/**
 * Secrets in a KV engine, version 2, each organization's below its own prefix: no call has a path that the id of the
 * organization does not stand in. Rejects with a VaultFailure.
 */
export class VaultKv {
  constructor(
    private readonly vault: Vault,
    private readonly mount: string,
    private readonly prefix: string,
  ) {}

  /** Undefined where there is no such version. Fault: `secrets.unreadable`, where it is not made of texts. */
  async read(orgId: string, path: string, version?: number): Promise<KvRead | undefined> {
    const reply = await this.vault.ask({ method: 'GET', path: this.#path('data', orgId, path), version });
    const metadata = record(reply.data['metadata']);
    const number = metadata['version'];
    // A version that is hidden or destroyed is a 404 that says so.
    if (reply.status === 404 && typeof number !== 'number') return undefined;
    if (![200, 404].includes(reply.status) || typeof number !== 'number') throw unexpected(reply);
    const told = readTold(record(metadata['custom_metadata']));
    const about = { version: number, told };
    if (metadata['destroyed'] === true) return { ...about, state: 'destroyed', fields: {} };
    if (reply.status === 404) return { ...about, state: 'deleted', fields: {} };
    return { ...about, state: 'live', fields: fieldsOf(reply.data['data']) };
  }

  async metadata(orgId: string, path: string): Promise<KvMetadata | undefined> {
    const reply = await this.vault.ask({ method: 'GET', path: this.#path('metadata', orgId, path) });
    if (reply.status === 404) return undefined;
    const { data } = reply;
    const currentVersion = data['current_version'];
    if (reply.status !== 200 || typeof currentVersion !== 'number') throw unexpected(reply);
    const versions = Object.entries(record(data['versions'])).map(([number, about]) => {
      const { created_time: created, deletion_time: deleted, destroyed } = record(about);
      const deletedAt = timeOf(deleted);
      return [
        Number(number),
        { createdAt: timeOf(created) ?? new Date(0), deletedAt, destroyed: destroyed === true },
      ] as const;
    });
    return {
      currentVersion,
      maxVersions: typeof data['max_versions'] === 'number' ? data['max_versions'] : 0,
      casRequired: data['cas_required'] === true,
      createdAt: timeOf(data['created_time']) ?? new Date(0),
      updatedAt: timeOf(data['updated_time']) ?? new Date(0),
      told: readTold(record(data['custom_metadata'])),
      versions: new Map(versions),
    };
  }

  /** The version it became; undefined where `cas` is not the newest (0: there is none). */
  async write(orgId: string, path: string, fields: Fields, cas: number): Promise<number | undefined> {
    const body = { data: fields, options: { cas } };
    const reply = await this.vault.ask({ method: 'POST', path: this.#path('data', orgId, path), body });
    if (reply.error === 'cas_mismatch') return undefined;
    const { version } = reply.data;
    if (reply.status !== 200 || typeof version !== 'number') throw unexpected(reply);
    return version;
  }

  async configure(
    orgId: string,
    path: string,
    { told, maxVersions, casRequired }: KvSettings,
  ): Promise<void> {
    const body = {
      ...(told && { custom_metadata: printTold(told) }),
      ...(maxVersions !== undefined && { max_versions: maxVersions }),
      ...(casRequired !== undefined && { cas_required: casRequired }),
    };
    await this.#change({ method: 'POST', path: this.#path('metadata', orgId, path), body });
  }

  /** Of versions that are not there nothing is said. */
  async set(
    area: 'delete' | 'undelete' | 'destroy',
    orgId: string,
    path: string,
    versions: readonly number[],
  ) {
    if (versions.length === 0) return;
    await this.#change({ method: 'POST', path: this.#path(area, orgId, path), body: { versions } });
  }

  /** Whether the server takes our token. */
  async probe(): Promise<void> {
    const reply = await this.vault.ask({ method: 'GET', path: vaultPath('auth/token/lookup-self') });
    if (reply.status !== 200) throw unexpected(reply);
  }

  /** With all its versions. */
  async erase(orgId: string, path: string): Promise<void> {
    await this.#change({ method: 'DELETE', path: this.#path('metadata', orgId, path) });
  }

  /** Paths in byte order, from `after` on: `prefix` itself and what lies below it, or all. */
  async *paths(orgId: string, prefix?: string, after?: string): AsyncGenerator<string> {
    if (prefix === undefined) return yield* this.#below(orgId, '', after);
    const reached = after === undefined || prefix > after;
    if (reached && (await this.metadata(orgId, prefix))) yield prefix;
    yield* this.#below(orgId, `${prefix}/`, after);
  }

  async *#below(orgId: string, folder: string, after: string | undefined): AsyncGenerator<string> {
    for (const name of await this.#names(orgId, folder)) {
      const path = folder + name;
      // What nobody could refer to is not told.
      if (pathFault(path.replace(/\/$/, '')) !== undefined) continue;
      if (!name.endsWith('/')) {
        if (after === undefined || path > after) yield path;
      } else if (after === undefined || path > after || after.startsWith(path)) {
        yield* this.#below(orgId, path, after);
      }
    }
  }

  /** Names in a folder, sorted by bytes; those of folders end with a slash. */
  async #names(orgId: string, folder: string): Promise<string[]> {
    const reply = await this.vault.ask({
      method: 'LIST',
      path: this.#path('metadata', orgId, folder.slice(0, -1)),
    });
    if (reply.status === 404) return [];
    const { keys } = reply.data;
    if (reply.status !== 200 || !Array.isArray(keys)) throw unexpected(reply);
    return keys.filter((key) => typeof key === 'string').sort((a, b) => (a < b ? -1 : 1));
  }

  async #change(asked: { method: 'POST' | 'DELETE'; path: VaultPath; body?: unknown }): Promise<void> {
    const reply = await this.vault.ask(asked);
    if (reply.status !== 200 && reply.status !== 204) throw unexpected(reply);
  }

  #path(area: Area, orgId: string, path: string): VaultPath {
    return vaultPath(this.mount, area, this.prefix, orgId, ...(path === '' ? [] : [path]));
  }
}

function unexpected({ status }: Reply): VaultFailure {
  return new VaultFailure(status >= 400 && status < 500 ? 'refused' : 'malformed', {
    status,
    maybeDone: status < 400,
  });
}

function fieldsOf(value: unknown): Fields {
  const entries = Object.entries(record(value));
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === 'string'))
    throw SecretFault.unreadable({ detail: 'a field of the secret is no text' });
  return Object.fromEntries(entries);
}

function timeOf(value: unknown): Date | undefined {
  const time = new Date(typeof value === 'string' ? value : '');
  return Number.isNaN(time.getTime()) ? undefined : time;
}
