import {
  Choice,
  Email,
  Flag,
  Id,
  ListOf,
  Nested,
  pageViewOf,
  PageQuery,
  Secret,
  Slug,
  Text,
  Time,
  Whole,
} from '#http';

/** Of every field that takes a password a person chose. Its limits are the rules', so that one fault speaks of them. */
export const NEW_PASSWORD =
  '8 to 128 characters, or more where an organization asks for more; 15 are advised. Common passwords and those like the person’s name or address are refused.';

export class LoginRequest {
  @Email()
  email: string;

  @Secret({ max: 1024 })
  password: string;

  @Slug({ optional: true, description: 'The slug of the organization to sign in to.' })
  organization?: string;

  @Secret({ optional: true, max: 200, description: '`deviceToken` of an earlier sign-in from this device.' })
  deviceToken?: string;
}

export class RefreshRequest {
  @Secret({ max: 200 })
  refreshToken: string;
}

export class SwitchRequest {
  @Slug({ description: 'The slug of the organization to get a session in.' })
  organization: string;
}

export class PasswordChangeRequest {
  @Secret({ max: 200, description: '`data.challenge.id` of the refusal.' })
  challengeId: string;

  @Secret({ description: NEW_PASSWORD })
  newPassword: string;

  @Secret({ optional: true, max: 200, description: '`deviceToken` of an earlier sign-in from this device.' })
  deviceToken?: string;
}

export class UserView {
  @Id()
  id: string;

  @Email()
  email: string;

  @Text()
  name: string;
}

export class OrganizationView {
  @Id()
  id: string;

  @Slug()
  slug: string;

  @Text()
  name: string;

  @Choice(['tenant', 'platform'])
  kind: 'tenant' | 'platform';

  @Choice(['active', 'suspended'])
  status: 'active' | 'suspended';

  @Time()
  createdAt: string;
}

export class SessionView {
  @Id()
  id: string;

  @Id()
  userId: string;

  @Id()
  organizationId: string;

  @Time()
  createdAt: string;

  @Time({ description: 'May lag behind by some seconds.' })
  lastSeenAt: string;

  @Time()
  idleExpiresAt: string;

  @Time()
  expiresAt: string;

  @ListOf('text', { description: 'RFC 8176 names of how the person proved themselves.' })
  authMethods: string[];

  @Text({ description: 'The authenticator assurance level (NIST SP 800-63B).' })
  assurance: string;

  @Text({ optional: true })
  ip?: string;

  @Text({ optional: true })
  userAgent?: string;

  @Text({ optional: true, description: 'What the user agent says it is, such as "Firefox on Linux".' })
  deviceLabel?: string;

  @Flag({ description: 'The session that asks.' })
  current: boolean;
}

export class TokensView {
  @Secret({ max: 4096 })
  accessToken: string;

  @Choice(['Bearer'])
  tokenType: 'Bearer';

  @Whole({ description: 'Seconds.' })
  expiresIn: number;

  @Secret({ description: 'Single use: a refresh answers the next one.' })
  refreshToken: string;

  @Whole({ description: 'Seconds.' })
  refreshExpiresIn: number;

  @Nested(() => SessionView)
  session: SessionView;

  @Nested(() => UserView)
  user: UserView;

  @Nested(() => OrganizationView)
  organization: OrganizationView;

  @Secret({
    optional: true,
    description:
      'Only from a device that was not known. Keep it there and send it at the next sign-in: guesses of others then do not hinder yours.',
  })
  deviceToken?: string;
}

export class MeView {
  @Nested(() => UserView, { description: 'The person; of an API key, its owner.' })
  user: UserView;

  @Nested(() => OrganizationView)
  organization: OrganizationView;

  @Nested(() => SessionView, { optional: true, description: 'Absent for API keys.' })
  session?: SessionView;

  @ListOf('text', { max: 1000 })
  permissions: string[];
}

export class SessionPage extends pageViewOf(SessionView) {}

export class SessionsQuery extends PageQuery {
  @Id({ optional: true, description: 'Only this person’s.' })
  userId?: string;
}

export class RevokedView {
  @Whole({ description: 'How many sessions were ended.' })
  revoked: number;
}

export class JwkView {
  @Text() kty: string;
  @Text() crv: string;
  @Text() x: string;
  @Text() y: string;
  @Text() kid: string;
  @Text() alg: string;
  @Text() use: string;
}

export class JwksView {
  @ListOf(() => JwkView)
  keys: JwkView[];
}
