import { Choice, ListOf, Nested, Whole } from '#http';
import { type MfaPolicy, mfaPolicies, ranges } from './org-policy.ts';

const optional = { optional: true } as const;
const { password, session, limits, maxConcurrent } = ranges;

class PasswordPolicyView {
  @Whole({ ...password.minLength, description: 'Characters; 15 are advised without a second factor.' })
  minLength: number;
}

class SessionPolicyView {
  @Whole({ ...session.idleSeconds, description: 'Seconds without use after which a session ends.' })
  idleSeconds: number;

  @Whole({ ...session.absoluteSeconds, description: 'Seconds after which a session ends in any case.' })
  absoluteSeconds: number;

  @Whole({ ...maxConcurrent, nullable: true, description: 'Live sessions of a person; null: any number.' })
  maxConcurrent: number | null;
}

class LimitsPolicyView {
  @Whole({ ...limits.windowSeconds, description: 'Seconds over which attempts are counted.' })
  windowSeconds: number;

  @Whole({
    ...limits.perDevice,
    description: 'Passwords from one known device, or for one account from one source.',
  })
  perDevice: number;

  @Whole({
    ...limits.perAccount,
    description: 'Passwords for one account from all devices that are not known.',
  })
  perAccount: number;

  @Whole({ ...limits.perFactor, description: 'Codes of one second factor of one account.' })
  perFactor: number;

  @Whole({ ...limits.perOrganization, description: 'Sign-ins from devices that are not known.' })
  perOrganization: number;

  @Whole({ ...limits.perSource, description: 'Unauthenticated requests from one source (platform only).' })
  perSource: number;
}

export class PolicyView {
  @Nested(() => PasswordPolicyView)
  password: PasswordPolicyView;

  @Choice(mfaPolicies, { description: 'What a session of the organization must be proven by.' })
  mfa: MfaPolicy;

  @Nested(() => SessionPolicyView)
  session: SessionPolicyView;

  @Nested(() => LimitsPolicyView)
  limits: LimitsPolicyView;

  @ListOf('text', { description: 'Sessions and keys are accepted from here only; empty: from anywhere.' })
  allowedCidrs: string[];

  @ListOf('text', { description: 'Domains of addresses that may become members; empty: any.' })
  allowedEmailDomains: string[];
}

class PasswordPolicyChange {
  @Whole({ ...password.minLength, ...optional })
  minLength?: number;
}

class SessionPolicyChange {
  @Whole({ ...session.idleSeconds, ...optional })
  idleSeconds?: number;

  @Whole({ ...session.absoluteSeconds, ...optional })
  absoluteSeconds?: number;

  @Whole({ ...maxConcurrent, ...optional, nullable: true })
  maxConcurrent?: number | null;
}

class LimitsPolicyChange {
  @Whole({ ...limits.windowSeconds, ...optional })
  windowSeconds?: number;

  @Whole({ ...limits.perDevice, ...optional })
  perDevice?: number;

  @Whole({ ...limits.perAccount, ...optional })
  perAccount?: number;

  @Whole({ ...limits.perFactor, ...optional })
  perFactor?: number;

  @Whole({ ...limits.perOrganization, ...optional })
  perOrganization?: number;

  @Whole({ ...limits.perSource, ...optional })
  perSource?: number;
}

/** Any part of a policy; what is absent stays as it is. */
export class ChangePolicyRequest {
  @Nested(() => PasswordPolicyChange, optional)
  password?: PasswordPolicyChange;

  @Choice(mfaPolicies, optional)
  mfa?: MfaPolicy;

  @Nested(() => SessionPolicyChange, optional)
  session?: SessionPolicyChange;

  @Nested(() => LimitsPolicyChange, optional)
  limits?: LimitsPolicyChange;

  @ListOf('text', { ...optional, max: 100, itemMax: 50, description: 'CIDR notation.' })
  allowedCidrs?: string[];

  @ListOf('text', { ...optional, max: 100, itemMax: 253 })
  allowedEmailDomains?: string[];
}
