import { Choice, Flag, Id, ListOf, Nested, Text, Time, Whole } from '#http';
import { SessionView } from '../auth.contract.ts';

/** Which sessions; every condition that is given must hold. */
export class SessionFilter {
  @Id({ optional: true, description: 'Of this person.' })
  userId?: string;

  @Id({ optional: true, description: 'Of members who have this role now.' })
  roleId?: string;

  @Text({
    max: 50,
    optional: true,
    description:
      'Begun from an address in this range, in CIDR notation. A session of an unknown address is in none.',
    example: '192.0.2.0/24',
  })
  cidr?: string;

  @Text({ max: 256, optional: true, description: 'Whose user agent contains this text, in whatever case.' })
  userAgentContains?: string;

  @Time({ optional: true, description: 'Begun before this moment.' })
  createdBefore?: string;

  @Time({
    optional: true,
    description: 'Not used since this moment; the last use may be noted some seconds late.',
  })
  lastSeenBefore?: string;

  @Choice(['aal1', 'aal2'], { optional: true, description: 'Of this authenticator assurance level.' })
  assurance?: 'aal1' | 'aal2';

  @Text({
    max: 20,
    optional: true,
    description: 'Proven, among others, by this method (RFC 8176).',
    example: 'pwd',
  })
  authMethod?: string;
}

export class RevokeSessionsRequest {
  @Nested(() => SessionFilter, { description: 'Empty only together with `all`.' })
  filter: SessionFilter;

  @Flag({ optional: true, description: 'End every session of the organization. Not together with a filter.' })
  all?: boolean;

  @Flag({ optional: true, description: 'Spare the session that asks; so where it is not said.' })
  exceptCurrent?: boolean;

  @Flag({ optional: true, description: 'Only tell which sessions these are now, and end none.' })
  dryRun?: boolean;
}

export class RevokedSessionsView {
  @Whole({ description: 'How many live sessions the filter found.' })
  matched: number;

  @Whole({ description: 'How many were ended: as many, or none for a dry run.' })
  revoked: number;

  @ListOf(() => SessionView, { description: 'The newest hundred of them.' })
  sessions: SessionView[];
}
