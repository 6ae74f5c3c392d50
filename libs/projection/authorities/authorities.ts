import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database, type OrgTx } from '#database';
import { type Caller, newId, type Page, pageOf, readPage } from '#kernel';
import { Recorder } from '../history/recorder.ts';
import { ProjectionFault } from '../projection.faults.ts';
import { lockSurfaces } from '../surfaces/surface.store.ts';
import type { AuthorityView, CreateAuthorityRequest } from './authorities.contract.ts';
import {
  type AuthorityRow,
  endAuthority,
  insertAuthority,
  isServiceAccount,
  lockAuthority,
  readAuthorities,
  readOwnerOf,
} from './authority.store.ts';

/** Who owns which kind of truth. What an owner told counts for nothing once it is no longer the owner. */
@Injectable()
export class Authorities {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly recorder: Recorder,
  ) {}

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<AuthorityView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readAuthorities(tx, limit + 1, before));
    return pageOf(rows, limit, viewOf);
  }

  async create(caller: Caller, request: CreateAuthorityRequest): Promise<AuthorityView> {
    const { kind, name, serviceAccountId, surfaceId } = request;
    return this.database.inOrg(caller, async (tx) => {
      const concerned = await lockSurfaces(tx, surfaceId);
      if (surfaceId !== undefined && concerned.length === 0) {
        throw ProjectionFault.surface_not_found();
      }
      if (!(await isServiceAccount(tx, serviceAccountId))) {
        const message = 'must be a service account of this organization';
        throw ProjectionFault.bad_service_account({ errors: [{ path: 'serviceAccountId', message }] });
      }
      const before = await this.recorder.before(tx, concerned);
      const row = await insertAuthority(tx, { id: newId(), kind, name, serviceAccountId, surfaceId });
      if (!row) {
        throw ProjectionFault.owner_exists({ data: { authorityId: await readOwnerOf(tx, kind, surfaceId) } });
      }
      await this.audit.append(tx, caller, {
        action: 'authority.named',
        target: { type: 'authority', id: row.id },
        changes: {
          kind: { to: kind },
          name: { to: name },
          serviceAccountId: { to: serviceAccountId },
          ...(surfaceId !== undefined && { surfaceId: { to: surfaceId } }),
        },
      });
      await this.#record(tx, caller, concerned, before, row);
      return viewOf(row);
    });
  }

  /** When this answers, what the authority told counts for nothing. */
  async end(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      const concerned = await lockSurfaces(tx, undefined);
      const row = await lockAuthority(tx, id);
      if (!row) throw ProjectionFault.authority_not_found();
      const before = await this.recorder.before(tx, concerned);
      await endAuthority(tx, id);
      await this.audit.append(tx, caller, {
        action: 'authority.ended',
        target: { type: 'authority', id },
        changes: { kind: { from: row.kind } },
      });
      await this.#record(tx, caller, concerned, before, row);
    });
  }

  async #record(
    tx: OrgTx,
    caller: Caller,
    concerned: readonly string[],
    before: Awaited<ReturnType<Recorder['before']>>,
    { id: authorityId, kind }: AuthorityRow,
  ): Promise<void> {
    await this.recorder.after(tx, caller, concerned, before, { type: 'authority', kind, authorityId });
  }
}

function viewOf(row: AuthorityRow): AuthorityView {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    serviceAccountId: row.service_account_id,
    surfaceId: row.surface_id,
    createdAt: row.created_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}
