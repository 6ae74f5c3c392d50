import { Injectable } from '@nestjs/common';
import ipaddr from 'ipaddr.js';
import { Audit } from '#audit';
import { ApiKeySecrets } from '#auth';
import { Database, type OrgTx } from '#database';
import { type Caller, Clock, newId, type Page, pageOf, readPage } from '#kernel';
import { requireHeld, requireKnown } from './grant-ceiling.ts';
import {
  type ApiKeyRow,
  deleteServiceAccount,
  insertApiKey,
  insertServiceAccount,
  readApiKeys,
  readServiceAccounts,
  revokeApiKeys,
  rotateApiKey,
  serviceAccountExists,
  type ServiceAccountRow,
} from './key.store.ts';
import type {
  ApiKeyView,
  CreateApiKeyRequest,
  CreatedApiKeyView,
  CreateServiceAccountRequest,
  ServiceAccountView,
} from './org.contract.ts';
import { OrgFault } from './org.faults.ts';

/** Service accounts and API keys. A person answers for each; a key never does more than that person may. */
@Injectable()
export class Keys {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly clock: Clock,
    private readonly secrets: ApiKeySecrets,
  ) {}

  async listAccounts(
    caller: Caller,
    query: { limit?: number; cursor?: string },
  ): Promise<Page<ServiceAccountView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readServiceAccounts(tx, limit + 1, before));
    return pageOf(rows, limit, accountView);
  }

  async createAccount(caller: Caller, request: CreateServiceAccountRequest): Promise<ServiceAccountView> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await insertServiceAccount(tx, {
        id: newId(),
        name: request.name,
        description: request.description ?? '',
        ownerId: caller.userId ?? caller.id,
      });
      if (!row) throw OrgFault.service_account_exists({ errors: [{ path: 'name', message: 'is taken' }] });
      await this.audit.append(tx, caller, {
        action: 'service_account.created',
        target: { type: 'service_account', id: row.id },
        changes: { name: { to: row.name } },
      });
      return accountView(row);
    });
  }

  /** With its keys, which end at once. */
  async removeAccount(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      await this.#revoke(tx, caller, { serviceAccountId: id }, 'service_account_deleted');
      if (!(await deleteServiceAccount(tx, id))) throw OrgFault.service_account_not_found();
      await this.audit.append(tx, caller, {
        action: 'service_account.deleted',
        target: { type: 'service_account', id },
      });
    });
  }

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<ApiKeyView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readApiKeys(tx, limit + 1, before));
    return pageOf(rows, limit, keyView);
  }

  async create(caller: Caller, request: CreateApiKeyRequest): Promise<CreatedApiKeyView> {
    requireKnown(request.permissions, caller.org.kind);
    requireHeld(caller, request.permissions);
    requireCidrs(request.allowedCidrs ?? []);
    if (request.expiresAt && Date.parse(request.expiresAt) <= this.clock.now().getTime()) {
      throw OrgFault.bad_expiry({ errors: [{ path: 'expiresAt', message: 'must lie ahead' }] });
    }
    const id = newId();
    const { key, digest } = this.secrets.make(id);
    return this.database.inOrg(caller, async (tx) => {
      if (request.serviceAccountId && !(await serviceAccountExists(tx, request.serviceAccountId))) {
        throw OrgFault.service_account_not_found();
      }
      const row = await insertApiKey(tx, {
        id,
        name: request.name,
        service_account_id: request.serviceAccountId ?? null,
        owner_id: caller.userId ?? caller.id,
        digest,
        permissions: [...new Set(request.permissions)].sort(),
        allowed_cidrs: request.allowedCidrs ?? [],
        expires_at: request.expiresAt ? new Date(request.expiresAt) : null,
      });
      if (!row) throw OrgFault.key_not_found();
      await this.audit.append(tx, caller, {
        action: 'api_key.created',
        target: { type: 'api_key', id },
        changes: { name: { to: row.name }, permissions: { to: row.permissions } },
      });
      return { ...keyView(row), key };
    });
  }

  /** A new secret for the same key; the one before is accepted for `overlapSeconds` more. */
  async rotate(caller: Caller, id: string, overlapSeconds: number): Promise<CreatedApiKeyView> {
    const { key, digest } = this.secrets.make(id);
    return this.database.inOrg(caller, async (tx) => {
      const row = await rotateApiKey(tx, id, digest, overlapSeconds);
      if (!row) throw OrgFault.key_not_found();
      requireHeld(caller, row.permissions);
      await this.audit.append(tx, caller, {
        action: 'api_key.rotated',
        target: { type: 'api_key', id },
        changes: { overlapSeconds: { to: overlapSeconds } },
      });
      return { ...keyView(row), key };
    });
  }

  async revoke(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      if ((await this.#revoke(tx, caller, { id }, 'revoked_by_admin')) === 0) throw OrgFault.key_not_found();
    });
  }

  async #revoke(
    tx: OrgTx,
    caller: Caller,
    selection: { id?: string; serviceAccountId?: string },
    reason: string,
  ): Promise<number> {
    const ids = await revokeApiKeys(tx, selection, reason);
    for (const id of ids) {
      await this.audit.append(tx, caller, {
        action: 'api_key.revoked',
        target: { type: 'api_key', id },
        reason,
      });
    }
    return ids.length;
  }
}

function requireCidrs(cidrs: readonly string[]): void {
  const errors = cidrs.flatMap((cidr, index) =>
    ipaddr.isValidCIDR(cidr) ? [] : [{ path: `allowedCidrs[${index}]`, message: 'must be in CIDR notation' }],
  );
  if (errors.length > 0) throw OrgFault.bad_cidr({ errors });
}

function accountView(row: ServiceAccountRow): ServiceAccountView {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    ownerId: row.owner_id,
    createdAt: row.created_at.toISOString(),
  };
}

function keyView(row: ApiKeyRow): ApiKeyView {
  return {
    id: row.id,
    name: row.name,
    serviceAccountId: row.service_account_id,
    ownerId: row.owner_id,
    permissions: row.permissions,
    allowedCidrs: row.allowed_cidrs,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at?.toISOString() ?? null,
  };
}
