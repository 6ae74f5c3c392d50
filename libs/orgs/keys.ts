import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { ApiKeySecrets, KeyRevocation } from '#auth';
import { Database, type OrgTx } from '#database';
import { type Caller, Clock, newId, type Page, pageOf, readPage } from '#kernel';
import { requireHeld, requireKnown } from './grant-ceiling.ts';
import { limitsOf, requireWithin } from './key-limits.ts';
import {
  type ApiKeyRow,
  insertApiKey,
  type KeyLimits,
  lockActingKey,
  readApiKeys,
  rotateApiKey,
} from './key.store.ts';
import type { ApiKeysQuery, ApiKeyView, CreateApiKeyRequest, CreatedApiKeyView } from './org.contract.ts';
import { OrgFault } from './org.faults.ts';
import { lockServiceAccount } from './service-account.store.ts';

/**
 * API keys. A person answers for each; a key never does more than that person may, and gets nobody a key that
 * does more, lives longer or works from more addresses than itself.
 */
@Injectable()
export class Keys {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly clock: Clock,
    private readonly secrets: ApiKeySecrets,
    private readonly revocation: KeyRevocation,
  ) {}

  async list(caller: Caller, query: ApiKeysQuery): Promise<Page<ApiKeyView>> {
    const { limit, before } = readPage(query);
    const page = { revoked: query.revoked ?? false, limit: limit + 1, before };
    const rows = await this.database.inOrg(caller, (tx) => readApiKeys(tx, page));
    return pageOf(rows, limit, keyView);
  }

  async create(caller: Caller, request: CreateApiKeyRequest): Promise<CreatedApiKeyView> {
    requireKnown(request.permissions, caller.org.kind);
    requireHeld(caller, request.permissions);
    const id = newId();
    const { key, digest, pepperId } = await this.secrets.make(id);
    return this.database.inOrg(caller, async (tx) => {
      const limits = limitsOf(request, await this.#maker(tx, caller), this.clock.now());
      if (request.serviceAccountId && !(await lockServiceAccount(tx, request.serviceAccountId))) {
        throw OrgFault.service_account_not_found();
      }
      const row = await insertApiKey(tx, {
        id,
        name: request.name,
        service_account_id: request.serviceAccountId ?? null,
        owner_id: caller.userId ?? caller.id,
        made_by_key_id: caller.apiKeyId ?? null,
        digest,
        pepper_id: pepperId,
        permissions: [...new Set(request.permissions)].sort(),
        ...limits,
      });
      if (!row) throw OrgFault.key_not_found();
      await this.audit.append(tx, caller, {
        action: 'api_key.created',
        target: { type: 'api_key', id },
        changes: {
          name: { to: row.name },
          permissions: { to: row.permissions },
          expiresAt: { to: row.expires_at?.toISOString() ?? null },
        },
      });
      return { ...keyView(row), key };
    });
  }

  /** A new secret for the same key; the one before is accepted for `overlapSeconds` more. */
  async rotate(caller: Caller, id: string, overlapSeconds: number): Promise<CreatedApiKeyView> {
    const { key, digest, pepperId } = await this.secrets.make(id);
    return this.database.inOrg(caller, async (tx) => {
      const maker = await this.#maker(tx, caller);
      const by = caller.apiKeyId ?? null;
      const row = await rotateApiKey(tx, id, { digest, pepperId, by }, overlapSeconds);
      if (!row) throw OrgFault.key_not_found();
      requireHeld(caller, row.permissions);
      if (maker) requireWithin(maker, row);
      await this.audit.append(tx, caller, {
        action: 'api_key.rotated',
        target: { type: 'api_key', id },
        changes: { overlapSeconds: { to: overlapSeconds } },
      });
      return { ...keyView(row), key };
    });
  }

  async revoke(caller: Caller, id: string, reason = 'revoked_by_admin'): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      if ((await this.revocation.end(tx, caller, { id }, reason)) === 0) throw OrgFault.key_not_found();
    });
  }

  /** The limits of the key that asks; undefined where a person asks. */
  async #maker(tx: OrgTx, caller: Caller): Promise<KeyLimits | undefined> {
    if (caller.apiKeyId === undefined) return undefined;
    const limits = await lockActingKey(tx, caller.apiKeyId);
    if (!limits) throw OrgFault.key_not_found();
    return limits;
  }
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
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
    lastUsedIp: row.last_used_ip,
    revokedAt: row.revoked_at?.toISOString() ?? null,
    revokedReason: row.revoked_reason,
  };
}
