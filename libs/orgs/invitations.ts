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
  type CallerOrg,
  Clock,
  type Page,
  pageOf,
  randomText,
  readPage,
  type RequestFacts,
  tokenDigest,
} from '#kernel';
import { Mail } from '#mail';
import { requireDomain } from './email-domain.ts';
import { requireHeld } from './grant-ceiling.ts';
import {
  deleteInvitation,
  insertInvitation,
  lockInvitation,
  markAccepted,
  type OpenInvitation,
  readInviter,
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
import { findRole, type RoleRow } from './role.store.ts';
import { permissionsOf, roleNamed } from './roles.ts';

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
    private readonly mail: Mail,
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
      requireHeld(caller, permissionsOf(role, caller.org.kind));
      await requireDomain(tx, tx.orgId, request.email, 'email');
      return this.issue(tx, caller, request.email, role.id);
    });
  }

  /**
   * Makes and records an invitation to the caller's organization. `byPlatform`: it stands on what the caller holds
   * in the platform organization, as the invitation of a new tenant's owner does.
   */
  async issue(
    tx: OrgTx | SystemTx,
    caller: Caller,
    email: string,
    roleId: string,
    byPlatform = false,
  ): Promise<NewInvitationView> {
    const token = `pci_${randomText(32)}`;
    const expiresAt = new Date(this.clock.now().getTime() + VALID_MS);
    const id = await insertInvitation(tx, {
      orgId: caller.org.id,
      email,
      roleId,
      digest: tokenDigest(token),
      invitedBy: caller.id,
      byPlatform,
      expiresAt,
    });
    await this.audit.append(tx, caller, {
      action: 'invitation.created',
      target: { type: 'invitation', id, display: email },
      changes: { role: { to: roleId } },
    });
    const link = {
      url: `${this.config.publicUrl}/invitation#${token}`,
      expiresAt: expiresAt.toISOString(),
    };
    const [organization, inviter] = [caller.org.name, caller.display ?? caller.org.name];
    const mailed = await this.mail.send(tx, {
      template: 'invitation',
      to: email.toLowerCase(),
      data: { organization, inviter, ...link },
    });
    return { id, token, ...link, mailed };
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

  /**
   * Makes the account, or proves the one there is, and the membership. What was true when the invitation was made is
   * asked again: the inviter may have lost what it grants, and the organization may take other addresses now.
   */
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
    if (known.user) await this.#requirePassword(known.open, known.user, request.password, facts);
    if (known.user && hasRunOut(known.user, this.clock.now()))
      throw refused('one_time_password_expired', known.open);
    const owner = { email: known.open.email, name: request.name, organizations: [known.org] };
    const hash = known.user ? undefined : await this.chosen.hash(request.password, owner, 'password');
    return this.database.acrossOrgs('accept_invitation', async (tx) => {
      const { open, org, role } = await this.#standing(tx, digest);
      const account = known.user && (await findAccount(tx, { id: known.user.id }));
      if (known.user && account?.status !== 'active') throw refused('account_disabled', open);
      const userId = account?.id ?? (await insertUser(tx, { email: open.email, name: request.name }));
      const name = account?.name ?? request.name;
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
    open: OpenInvitation,
    user: { id: string; email: string; hash: string | null },
    password: string,
    { ip }: RequestFacts,
  ): Promise<void> {
    const attempt = await this.limits.countOwnPassword({ userId: user.id, email: user.email, ip });
    if (!attempt.admitted) throw this.limits.tooMany(attempt);
    const right = await attempt.verify(() => this.passwords.verify(password, user.hash ?? undefined));
    if (!right) throw refused('wrong_password', open);
    await attempt.giveBack();
  }

  /** The open invitation with its organization, both locked, while everything it stands on still holds. */
  async #standing(
    tx: SystemTx,
    digest: string,
  ): Promise<{ open: OpenInvitation; org: CallerOrg; role: RoleRow }> {
    const open = await lockInvitation(tx, digest);
    if (!open) throw refused('unknown_invitation');
    const org = await lockOrg(tx, open.org_id);
    const role = await findRole(tx, open.org_id, { id: open.role_id });
    if (!org || !role || org.status !== 'active') throw refused('organization_not_active', open);
    if (!(await mayStillInvite(tx, open, permissionsOf(role, org.kind))))
      throw refused('inviter_lost_authority', open);
    await requireDomain(tx, org.id, open.email, 'token');
    return { open, org, role };
  }
}

/** Does the inviter hold now what they need and what they give? A platform operator gives what they need not hold. */
async function mayStillInvite(tx: SystemTx, open: OpenInvitation, granted: Set<string>): Promise<boolean> {
  const inviter = await readInviter(tx, open);
  if (!inviter) return false;
  const { built_in, role_permissions, key_permissions, kind } = inviter;
  const held = rolePermissions({ builtIn: built_in, permissions: role_permissions }, kind);
  const needed = open.by_platform ? ['org:create'] : ['member:create', ...granted];
  return needed.every((name) => held.has(name) && (key_permissions?.includes(name) ?? true));
}

function refused(reason: string, open?: OpenInvitation): Error {
  const target = open && { type: 'invitation', id: open.id };
  return OrgFault.invalid_invitation({ audit: { reason, orgId: open?.org_id, target } });
}
