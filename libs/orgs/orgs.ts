import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Sessions } from '#auth';
import { Database, type SystemTx } from '#database';
import { type Caller, callerIn, type CallerOrg, type Page, pageOf, readPage } from '#kernel';
import { SecretStore } from '#secrets';
import type { CreatedOrgView, CreateOrgRequest } from './org.contract.ts';
import { OrgFault } from './org.faults.ts';
import {
  deleteOrg,
  insertOrg,
  lockOrg,
  orgOf,
  readOrgs,
  readPlatform,
  renameOrg,
  setOrgStatus,
} from './org.store.ts';
import { Invitations } from './invitations.ts';
import { insertMember } from './member.store.ts';
import { insertBuiltInRoles } from './role.store.ts';

/** Organizations: made by platform operators, run by their own admins. */
@Injectable()
export class Orgs {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly sessions: Sessions,
    private readonly invitations: Invitations,
    private readonly secrets: SecretStore,
  ) {}

  /** Those the caller belongs to; every one for the members of the platform organization who may create them. */
  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<CallerOrg>> {
    const { limit, before } = readPage(query);
    const all = caller.org.kind === 'platform' && caller.permissions.has('org:create');
    const reason = all ? 'manage_tenants' : 'own_organizations';
    const rows = await this.database.acrossOrgsFor(reason, caller, (tx) =>
      readOrgs(tx, all ? undefined : caller.userId, limit + 1, before),
    );
    return pageOf(rows, limit, orgOf);
  }

  /** A new tenant. Its owner is invited, or the creator where none is named. */
  async create(caller: Caller, request: CreateOrgRequest): Promise<CreatedOrgView> {
    return this.database.acrossOrgsFor('manage_tenants', caller, async (tx) => {
      const { org, ownerRoleId } = await this.open(tx, { ...request, kind: 'tenant' });
      const target = { type: 'organization', id: org.id };
      const changes = { name: { to: org.name }, slug: { to: org.slug } };
      await this.audit.append(tx, caller, { action: 'org.created', target, changes });
      await this.audit.append(tx, callerIn(caller, org), { action: 'org.created', target, changes });
      if (request.owner) {
        const invitation = await this.invitations.issue(
          tx,
          callerIn(caller, org),
          request.owner.email,
          ownerRoleId,
          true,
        );
        return { organization: org, invitation };
      }
      await insertMember(tx, { orgId: org.id, userId: caller.userId ?? caller.id, roleId: ownerRoleId });
      await this.audit.append(tx, callerIn(caller, org), {
        action: 'member.added',
        target: { type: 'user', id: caller.userId ?? caller.id, display: caller.display },
        changes: { role: { to: 'owner' } },
      });
      return { organization: org };
    });
  }

  /** The rows of a new organization, in a transaction that records it. Throws `org.slug_taken`. */
  async open(
    tx: SystemTx,
    org: { slug: string; name: string; kind: CallerOrg['kind'] },
  ): Promise<{ org: CallerOrg; ownerRoleId: string }> {
    const made = await insertOrg(tx, org);
    if (!made) throw OrgFault.slug_taken({ errors: [{ path: 'slug', message: 'is taken' }] });
    return { org: made, ownerRoleId: await insertBuiltInRoles(tx, made.id) };
  }

  async rename(caller: Caller, name: string): Promise<CallerOrg> {
    return this.database.inOrg(caller, async (tx) => {
      const org = await renameOrg(tx, name);
      if (!org) throw OrgFault.not_found();
      await this.audit.append(tx, caller, {
        action: 'org.updated',
        target: { type: 'organization', id: org.id },
        changes: { name: { from: caller.org.name, to: name } },
      });
      return org;
    });
  }

  /** From the answer on nothing in the organization is accepted, on any replica. Sessions live again on resume. */
  suspend(caller: Caller, id: string): Promise<CallerOrg> {
    return this.#setStatus(caller, id, 'suspended', 'org.suspended');
  }

  resume(caller: Caller, id: string): Promise<CallerOrg> {
    return this.#setStatus(caller, id, 'active', 'org.resumed');
  }

  async #setStatus(
    caller: Caller,
    id: string,
    status: CallerOrg['status'],
    action: 'org.suspended' | 'org.resumed',
  ): Promise<CallerOrg> {
    return this.database.acrossOrgsFor('manage_tenants', caller, async (tx) => {
      const org = await this.#lockTenant(tx, id);
      const target = { type: 'organization', id };
      const changes = { status: { from: org.status, to: status } };
      await this.audit.append(tx, caller, { action, target, changes });
      await this.audit.append(tx, callerIn(caller, org), { action, target, changes });
      await setOrgStatus(tx, id, status);
      return { ...org, status };
    });
  }

  /** Ends everything in the organization; its audit log stays. Its secrets are unreadable for ever, copies included. */
  async remove(caller: Caller): Promise<void> {
    await this.database.acrossOrgsFor('delete_organization', caller, async (tx) => {
      const org = await this.#lockTenant(tx, caller.org.id);
      await this.sessions.end(tx, caller, { orgId: org.id }, 'organization_deleted');
      const target = { type: 'organization', id: org.id };
      const changes = { slug: { from: org.slug } };
      await this.audit.append(tx, caller, { action: 'org.deleted', target, changes });
      // Nobody will be left to read the log of the organization itself.
      const platform = await readPlatform(tx);
      const witness = platform ? callerIn(caller, platform) : caller;
      if (platform) await this.audit.append(tx, witness, { action: 'org.deleted', target, changes });
      await this.secrets.forget(tx, witness, org.id);
      await deleteOrg(tx, org.id);
    });
  }

  async #lockTenant(tx: SystemTx, id: string): Promise<CallerOrg> {
    const org = await lockOrg(tx, id);
    if (!org) throw OrgFault.not_found();
    if (org.kind === 'platform') throw OrgFault.platform_is_kept();
    return org;
  }
}
