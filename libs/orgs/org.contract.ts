import { builtInRoles } from '#access';
import { NEW_PASSWORD, OrganizationView, UserView } from '#auth';
import {
  Choice,
  Email,
  Flag,
  Id,
  ListOf,
  Nested,
  PageQuery,
  pageViewOf,
  Secret,
  Slug,
  Text,
  Time,
  Whole,
} from '#http';

export class NewOwner {
  @Email()
  email: string;

  @Text({ max: 200, optional: true, description: 'Only a suggestion: the invited person says their name.' })
  name?: string;
}

export class CreateOrgRequest {
  @Text({ max: 200 })
  name: string;

  @Slug()
  slug: string;

  @Nested(() => NewOwner, {
    optional: true,
    description: 'Invited as owner; where absent, the creator is the owner.',
  })
  owner?: NewOwner;
}

export class UpdateOrgRequest {
  @Text({ max: 200 })
  name: string;
}

export class RoleName {
  @Id()
  id: string;

  @Text()
  name: string;
}

export class InvitationView {
  @Id()
  id: string;

  @Email()
  email: string;

  @Nested(() => RoleName)
  role: RoleName;

  @Time()
  createdAt: string;

  @Time()
  expiresAt: string;
}

export class NewInvitationView {
  @Id()
  id: string;

  @Secret({ description: 'Shown once: hand it to the invited person.' })
  token: string;

  @Text({ max: 2000, description: 'The page that accepts it.' })
  url: string;

  @Time()
  expiresAt: string;

  @Flag({ description: 'Whether the link goes to the invited person by mail too.' })
  mailed: boolean;
}

export class CreatedOrgView {
  @Nested(() => OrganizationView)
  organization: OrganizationView;

  @Nested(() => NewInvitationView, { optional: true })
  invitation?: NewInvitationView;
}

export class OrgPage extends pageViewOf(OrganizationView) {}

export class MemberView {
  @Nested(() => UserView)
  user: UserView;

  @Nested(() => RoleName)
  role: RoleName;

  @Choice(['active', 'disabled'])
  status: 'active' | 'disabled';

  @Time()
  createdAt: string;
}

export class MemberPage extends pageViewOf(MemberView) {}

export class MembersQuery extends PageQuery {
  @Email({ optional: true, description: 'Only the member with this address.' })
  email?: string;

  @Text({ max: 100, optional: true, description: 'Only those with the role of this name.' })
  role?: string;

  @Choice(['active', 'disabled'], { optional: true })
  status?: 'active' | 'disabled';
}

export class CreateMemberRequest {
  @Email()
  email: string;

  @Text({ max: 200 })
  name: string;

  @Text({ max: 100, optional: true, description: 'The name of a role; or give roleId.' })
  role?: string;

  @Id({ optional: true })
  roleId?: string;
}

export class CreatedMemberView extends MemberView {
  @Secret({
    description:
      'Signs a new account in once, to be changed then. Who has an account already keeps their own password, and ' +
      'this one opens nothing: the answer does not tell which. Shown once.',
  })
  password: string;

  @Time({ description: 'Until when that password works.' })
  passwordExpiresAt: string;
}

export class MemberResetView {
  @Flag({ description: 'The link was mailed to the member.' })
  sent: boolean;

  @Secret({
    optional: true,
    max: 2000,
    description: 'Without a mail server: the link, shown once, to hand to the member.',
  })
  url?: string;

  @Time()
  expiresAt: string;
}

export class UpdateMemberRequest {
  @Text({ max: 100, optional: true })
  role?: string;

  @Id({ optional: true })
  roleId?: string;

  @Choice(['active', 'disabled'], { optional: true })
  status?: 'active' | 'disabled';
}

export class TransferOwnershipRequest {
  @Id({ description: 'The active member who becomes owner.' })
  userId: string;

  @Text({ max: 100, optional: true, description: 'The name of the role that you keep; admin where unsaid.' })
  role?: string;
}

export class CreateInvitationRequest {
  @Email()
  email: string;

  @Text({ max: 100, optional: true })
  role?: string;

  @Id({ optional: true })
  roleId?: string;
}

export class InvitationPage extends pageViewOf(InvitationView) {}

export class AcceptInvitationRequest {
  @Secret({ max: 200 })
  token: string;

  @Text({ max: 200 })
  name: string;

  @Secret({ description: `With an account already, its password; otherwise a new one: ${NEW_PASSWORD}` })
  password: string;
}

export class AcceptedView {
  @Nested(() => UserView)
  user: UserView;

  @Nested(() => OrganizationView)
  organization: OrganizationView;
}

export class RoleView {
  @Id()
  id: string;

  @Text({ max: 100 })
  name: string;

  @Text({ min: 0 })
  description: string;

  @Choice(builtInRoles, { nullable: true, description: 'Which built-in role it is; null for custom ones.' })
  builtIn: string | null;

  @ListOf('text', { max: 1000 })
  permissions: string[];

  @Time()
  createdAt: string;
}

export class RolePage extends pageViewOf(RoleView) {}

export class CreateRoleRequest {
  @Text({ max: 100 })
  name: string;

  @Text({ min: 0, max: 500, optional: true })
  description?: string;

  @ListOf('text', { max: 500, itemMax: 100 })
  permissions: string[];
}

export class UpdateRoleRequest {
  @Text({ min: 0, max: 500, optional: true })
  description?: string;

  @ListOf('text', { max: 500, itemMax: 100, optional: true })
  permissions?: string[];
}

export class ServiceAccountView {
  @Id()
  id: string;

  @Text({ max: 100 })
  name: string;

  @Text({ min: 0 })
  description: string;

  @Id({ description: 'The person who answers for it.' })
  ownerId: string;

  @Time()
  createdAt: string;
}

export class ServiceAccountPage extends pageViewOf(ServiceAccountView) {}

export class CreateServiceAccountRequest {
  @Text({ max: 100 })
  name: string;

  @Text({ min: 0, max: 500, optional: true })
  description?: string;
}

export class HandOverRequest {
  @Id({ description: 'The member who answers for the account and its keys from now on.' })
  ownerId: string;
}

export class ApiKeyView {
  @Id()
  id: string;

  @Text({ max: 100 })
  name: string;

  @Id({ nullable: true })
  serviceAccountId: string | null;

  @Id({ description: 'The person who answers for it; it ends with their membership.' })
  ownerId: string;

  @ListOf('text', { max: 1000 })
  permissions: string[];

  @ListOf('text')
  allowedCidrs: string[];

  @Time()
  createdAt: string;

  @Time({ nullable: true })
  expiresAt: string | null;

  @Time({ nullable: true, description: 'May lag behind by 10 seconds.' })
  lastUsedAt: string | null;

  @Text({ nullable: true, description: 'The address it was last used from.' })
  lastUsedIp: string | null;

  @Time({ nullable: true })
  revokedAt: string | null;

  @Text({ nullable: true, description: 'Why it was ended.' })
  revokedReason: string | null;
}

export class ApiKeyPage extends pageViewOf(ApiKeyView) {}

export class ApiKeysQuery extends PageQuery {
  @Flag({ optional: true, description: 'True: those that were revoked, instead of those that were not.' })
  revoked?: boolean;
}

export class RevokeApiKeyQuery {
  @Choice(['leaked', 'superseded', 'unused', 'owner_left', 'other'], {
    optional: true,
    description: 'Why; shown in the log and in the list.',
  })
  reason?: string;
}

export class CreateApiKeyRequest {
  @Text({ max: 100 })
  name: string;

  @Id({ optional: true })
  serviceAccountId?: string;

  @ListOf('text', { min: 1, max: 500, itemMax: 100 })
  permissions: string[];

  @Time({
    optional: true,
    nullable: true,
    description: 'Absent: in 90 days. Null: never by itself. Not after that of the key that asks.',
  })
  expiresAt?: string | null;

  @ListOf('text', {
    max: 100,
    itemMax: 50,
    optional: true,
    description:
      'CIDR notation; empty or absent means anywhere. Within those of the key that asks; absent then means the same.',
  })
  allowedCidrs?: string[];
}

export class RotateApiKeyRequest {
  @Whole({ max: 30 * 86_400, description: 'How long the secret before is accepted too.' })
  overlapSeconds: number;
}

export class CreatedApiKeyView extends ApiKeyView {
  @Secret({ description: 'Shown once.' })
  key: string;
}

export class PermissionView {
  @Text()
  name: string;

  @Text()
  description: string;

  @ListOf(builtInRoles, { description: 'The built-in roles that hold it.' })
  roles: string[];
}

export class PermissionsView {
  @ListOf(() => PermissionView, { max: 1000 })
  items: PermissionView[];
}
