import type { NewestVersion, SecretMetadata, VersionMetadata } from '../secret-store.ts';
import type { KvMetadata } from './kv.ts';
import type { VaultSecretRow } from './vault-secret.store.ts';

/** What the engine keeps where neither the secret nor the mount says how many. */
const KEPT_VERSIONS = 10;

export function keptVersions({ maxVersions }: KvMetadata): number {
  return maxVersions === 0 ? KEPT_VERSIONS : maxVersions;
}

export function metadataOf({ id, path }: VaultSecretRow, metadata: KvMetadata): SecretMetadata {
  const { told, currentVersion, casRequired, createdAt, updatedAt } = metadata;
  const { description, tags, deletedAt } = told;
  const maxVersions = keptVersions(metadata);
  return {
    id,
    path,
    description,
    tags,
    currentVersion,
    maxVersions,
    casRequired,
    createdAt,
    updatedAt,
    deletedAt,
  };
}

/** Undefined where it cannot be opened, or the server will hide it by itself. */
export function newestOf({ currentVersion: version, versions }: KvMetadata): NewestVersion | undefined {
  const found = versions.get(version);
  return found && !found.destroyed && found.deletedAt === undefined
    ? { version, createdAt: found.createdAt }
    : undefined;
}

/** Newest first. The server does not tell names of fields: they are known of what was written through us. */
export function versionsOf(
  { versions }: KvMetadata,
  names: readonly { version: number; fields: string[] }[],
): VersionMetadata[] {
  const known = new Map(names.map(({ version, fields }) => [version, fields]));
  return [...versions]
    .sort(([a], [b]) => b - a)
    .map(([version, { createdAt, deletedAt, destroyed }]) => ({
      version,
      fields: destroyed ? [] : (known.get(version) ?? []),
      createdAt,
      deletedAt,
      // The server does not tell when.
      destroyedAt: destroyed ? (deletedAt ?? createdAt) : undefined,
    }));
}
