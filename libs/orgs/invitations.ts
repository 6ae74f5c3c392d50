import { Injectable } from '@nestjs/common';
import { Audit, personal } from '#audit';
import {
  AttemptLimits,
  ChosenPasswords,
  findAccount,
  hasRunOut,
  insertUser,
  Passwords,
  rolePermissions,
  storePassword,
} from '#auth';
import { Database, type OrgTx, type SystemTx } from '#database';
import {
  type Caller,
  Clock,
  type Page,
  pageOf,
  randomText,
  readPage,
  type RequestFacts,
  tokenDigest,
} from '#kernel';
import { requireHeld } from './grant-ceiling.ts';
import {
  deleteInvitation,
  insertInvitation,
  lockInvitation,
  markAccepted,
  readInvitations,
} from './invitation.store.ts';
import { insertMember } from './member.store.ts';
import type {
  AcceptedView,
  AcceptInvitationRequest,
  CreateInvitationRequest,
  InvitationView,
  NewInvitationView,
} from './org.contract.ts';
import { OrgConfig } from './org.config.ts';
import { OrgFault } from './org.faults.ts';
import { lockOrg } from './org.store.ts';
import { findRole } from './role.store.ts';
import { roleNamed } from './roles.ts';

const VALID_MS = 7 * 86_400_000;

/** Invitations: single use, bound to an address, valid for a week. The token is shown to the inviter once. */
@Injectable()
export class Invitations {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly passwords: Passwords,
    private readonly chosen: ChosenPasswords,
    private readonly limits: AttemptLimits,
    private readonly config: OrgConfig,
    private readonly clock: Clock,
  ) {}

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<InvitationView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readInvitations(tx, limit + 1, before));
    return pageOf(rows, limit, (row) => ({
      id: row.id,
      email: row.email,
      role: { id: row.role_id, name: row.role_name },
      createdAt: row.created_at.toISOString(),
      expiresAt: row.expires_at.toISOString(),
    }));
  }

  async create(caller: Caller, request: CreateInvitationRequest): Promise<NewInvitationView> {
    return this.database.inOrg(caller, async (tx) => {
      const role = await roleNamed(tx, caller.org.id, request);
      requireHeld(
        caller,
        rolePermissions({ builtIn: role.built_in, permissions: role.permissions }, caller.org.kind),
      );
      return this.issue(tx, caller, request.email, role.id);
    });
  }

  /** Makes and records an invitation to the caller's organization. */
  async issue(
    tx: OrgTx | SystemTx,
    caller: Caller,
    email: string,
    roleId: string,
  ): Promise<NewInvitationView> {
    const token = `pci_${randomText(32)}`;
    const expiresAt = new Date(this.clock.now().getTime() + VALID_MS);
    const id = await insertInvitation(tx, {
      orgId: caller.org.id,
      email,
      roleId,
      digest: tokenDigest(token),
      invitedBy: caller.id,
      expiresAt,
    });
    await this.audit.append(tx, caller, {
      action: 'invitation.created',
      target: { type: 'invitation', id, display: email },
      changes: { role: { to: roleId } },
    });
    return {
      id,
      token,
      url: `${this.config.publicUrl}/invitation#${token}`,
      expiresAt: expiresAt.toISOString(),
    };
  }

  async revoke(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      if (!(await deleteInvitation(tx, id))) throw OrgFault.invitation_not_found();
      await this.audit.append(tx, caller, {
        action: 'invitation.revoked',
        target: { type: 'invitation', id },
      });
    });
  }

  /** Makes the account, or proves the one there is, and the membership. */
  accept(request: AcceptInvitationRequest, facts: RequestFacts): Promise<AcceptedView> {
    return this.limits.countRefusals(facts, () => this.#accept(request, facts));
  }

  async #accept(request: AcceptInvitationRequest, facts: RequestFacts): Promise<AcceptedView> {
    const digest = tokenDigest(request.token);
    const known = await this.database.acrossOrgs('accept_invitation', async (tx) => {
      const open = await lockInvitation(tx, digest);
      return {
        open,
        org: open && (await lockOrg(tx, open.org_id)),
        user: open && (await findAccount(tx, { email: open.email })),
      };
    });
    if (!known.open || !known.org) throw refused('unknown_invitation');
    if (known.user) await this.#requirePassword(known.user, request.password, facts);
    if (known.user && hasRunOut(known.user, this.clock.now())) throw refused('one_time_password_expired');
    const owner = { email: known.open.email, name: request.name, organizations: [known.org] };
    const hash = known.user ? undefined : await this.chosen.hash(request.password, owner, 'password');
    return this.database.acrossOrgs('accept_invitation', async (tx) => {
      const open = await lockInvitation(tx, digest);
      const org = open && (await lockOrg(tx, open.org_id));
      const role = open && (await findRole(tx, open.org_id, { id: open.role_id }));
      if (!open || !org || !role || org.status !== 'active') throw refused('unknown_invitation');
      const userId = known.user?.id ?? (await insertUser(tx, { email: open.email, name: request.name }));
      const name = known.user?.name ?? request.name;
      await this.audit.record(tx, {
        orgId: org.id,
        actor: { type: 'user', id: userId, display: name },
        action: 'member.added',
        target: { type: 'user', id: userId, display: open.email },
        outcome: 'success',
        request: facts,
        changes: {
          role: { to: role.name },
          invitation: { to: open.id },
          email: { to: personal(open.email) },
        },
      });
      if (hash !== undefined) await storePassword(tx, userId, hash);
      if (!(await insertMember(tx, { orgId: org.id, userId, roleId: role.id })))
        throw OrgFault.member_exists();
      await markAccepted(tx, open.id);
      return { user: { id: userId, email: open.email, name }, organization: org };
    });
  }

  /** Of somebody who has an account. Counted with their sign-ins: whoever holds the link guesses no more often. */
  async #requirePassword(
    user: { id: string; email: string; hash: string | null },
    password: string,
    { ip }: RequestFacts,
  ): Promise<void> {
    const attempt = await this.limits.countOwnPassword({ userId: user.id, email: user.email, ip });
    if (!attempt.admitted) throw this.limits.tooMany(attempt);
    const right = await attempt.verify(() => this.passwords.verify(password, user.hash ?? undefined));
    if (!right) throw refused('wrong_password');
    await attempt.giveBack();
  }
}

function refused(reason: string): Error {
  return OrgFault.invalid_invitation({ audit: { reason } });
}
