import { Injectable } from '@nestjs/common';
import type { Caller, Page } from '#kernel';
import { pathFault } from './reference.ts';
import { requireFields, requirePath, requireTags } from './secret-rules.ts';
import {
  type SecretMetadata,
  type SecretSettings,
  SecretStore,
  type VersionMetadata,
} from './secret-store.ts';
import type {
  CreateSecretRequest,
  FoundValuesView,
  RevealedSecretView,
  SecretDetailsView,
  SecretsQuery,
  SecretVersionView,
  SecretView,
  UpdateSecretRequest,
  WriteSecretRequest,
} from './secrets.contract.ts';
import { SecretFault } from './secrets.faults.ts';

const KEPT_VERSIONS = 10;

/** The secrets of an organization, for its members. The store checks, changes and records. */
@Injectable()
export class Secrets {
  constructor(private readonly store: SecretStore) {}

  async list(caller: Caller, { prefix, limit, cursor, format }: SecretsQuery): Promise<Page<SecretView>> {
    if (format !== undefined) throw SecretFault.plain_refused();
    if (prefix !== undefined) requirePath(prefix);
    const after = cursor === undefined ? undefined : pathOf(cursor);
    const rows = await this.store.list(caller, {
      limit: limit + 1,
      ...(prefix !== undefined && { prefix }),
      ...(after !== undefined && { after }),
    });
    const items = rows.slice(0, limit).map(viewOf);
    const last = items.at(-1);
    return rows.length > limit && last
      ? { items, next: Buffer.from(last.path).toString('base64url') }
      : { items };
  }

  async describe(caller: Caller, id: string): Promise<SecretDetailsView> {
    const { versions, ...secret } = await this.store.describe(caller, { id });
    return { ...viewOf(secret), versions: versions.map(versionView) };
  }

  async create(caller: Caller, request: CreateSecretRequest): Promise<SecretView> {
    const { path, fields, description = '', tags = {}, maxVersions = KEPT_VERSIONS } = request;
    requireFields(fields);
    requireTags(tags);
    const settings = { description, tags, maxVersions, casRequired: request.casRequired ?? false };
    return viewOf(await this.store.create(caller, path, fields, settings));
  }

  async write(caller: Caller, id: string, { fields, cas }: WriteSecretRequest): Promise<SecretView> {
    requireFields(fields);
    return viewOf(await this.store.write(caller, { id }, fields, cas));
  }

  async update(caller: Caller, id: string, request: UpdateSecretRequest): Promise<SecretView> {
    const { description, tags, maxVersions, casRequired } = request;
    if (tags) requireTags(tags);
    const settings: Partial<SecretSettings> = {
      ...(description !== undefined && { description }),
      ...(tags !== undefined && { tags }),
      ...(maxVersions !== undefined && { maxVersions }),
      ...(casRequired !== undefined && { casRequired }),
    };
    return viewOf(await this.store.update(caller, { id }, settings));
  }

  /** The one answer of the product that holds values of secrets. */
  async reveal(caller: Caller, id: string, version?: number): Promise<RevealedSecretView> {
    const { fields, ...secret } = await this.store.reveal(caller, { id }, version);
    return {
      ...secret,
      fields: Object.fromEntries([...fields].map(([name, value]) => [name, value.reveal()])),
    };
  }

  async find(caller: Caller, value: string): Promise<FoundValuesView> {
    const found = await this.store.find(caller, value);
    return { items: found.map((one) => ({ ...one, uses: [...one.uses] })) };
  }

  remove(caller: Caller, id: string, versions?: readonly number[]): Promise<void> {
    return this.store.remove(caller, { id }, versions);
  }

  undelete(caller: Caller, id: string, versions?: readonly number[]): Promise<void> {
    return this.store.undelete(caller, { id }, versions);
  }

  destroy(caller: Caller, id: string, versions?: readonly number[]): Promise<void> {
    return this.store.destroy(caller, { id }, versions);
  }
}

/** Fault: `secrets.bad_path`, where the cursor is none that was given out. */
function pathOf(cursor: string): string {
  const path = Buffer.from(cursor, 'base64url').toString();
  if (pathFault(path) === undefined) return path;
  const message = 'must be a cursor this API has given out';
  throw SecretFault.bad_path({ errors: [{ path: 'cursor', message }] });
}

function viewOf(secret: SecretMetadata): SecretView {
  return {
    ...secret,
    tags: { ...secret.tags },
    createdAt: secret.createdAt.toISOString(),
    updatedAt: secret.updatedAt.toISOString(),
    deletedAt: secret.deletedAt?.toISOString() ?? null,
  };
}

function versionView(version: VersionMetadata): SecretVersionView {
  return {
    version: version.version,
    fields: [...version.fields],
    createdAt: version.createdAt.toISOString(),
    deletedAt: version.deletedAt?.toISOString() ?? null,
    destroyedAt: version.destroyedAt?.toISOString() ?? null,
  };
}
