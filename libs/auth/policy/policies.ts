import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import type { Caller, InputError, Json } from '#kernel';
import { meetsPolicy } from '../assurance.ts';
import { AuthFault } from '../auth.faults.ts';
import { AuthorityCaller } from '../authority.ts';
import {
  addressAllowed,
  isCidr,
  isDomain,
  type OrgPolicy,
  policyOf,
  type PolicySettings,
} from './org-policy.ts';
import { tightenSessions } from '../sessions/session.store.ts';
import type { ChangePolicyRequest, PolicyView } from './policy.contract.ts';
import { lockSettings, readPolicy, storeSettings } from './policy.store.ts';

/** Seeing and changing what an organization decides of its security; effective on the next request of everyone. */
@Injectable()
export class Policies {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
  ) {}

  async read(caller: Caller): Promise<PolicyView> {
    return viewOf(await this.database.inOrg(caller, (tx) => readPolicy(tx, tx.orgId)));
  }

  /** Whoever sets a policy must be able to go on under it: else nobody might be left to take it back. */
  async change(caller: Caller, request: ChangePolicyRequest): Promise<PolicyView> {
    requireValid(request);
    return this.database.inOrg(caller, async (tx) => {
      const stored = await lockSettings(tx, tx.orgId);
      const settings = merged(stored, request);
      const [before, after] = [policyOf(stored), policyOf(settings)];
      requireLivable(after, caller);
      const changes = differences(before, after);
      if (Object.keys(changes).length === 0) return viewOf(after);
      await storeSettings(tx, settings);
      const shortened = await tightenSessions(tx, tx.orgId, after.session);
      await this.audit.append(tx, caller, {
        action: 'policy.changed',
        target: { type: 'organization', id: tx.orgId },
        changes: { ...changes, ...(shortened > 0 && { sessions: { to: shortened } }) },
      });
      return viewOf(after);
    });
  }
}

function requireValid(request: ChangePolicyRequest): void {
  const errors: InputError[] = [
    ...(request.allowedCidrs ?? []).flatMap((one, index) =>
      isCidr(one) ? [] : [{ path: `allowedCidrs[${index}]`, message: 'must be in CIDR notation' }],
    ),
    ...(request.allowedEmailDomains ?? []).flatMap((one, index) =>
      isDomain(one)
        ? []
        : [{ path: `allowedEmailDomains[${index}]`, message: 'must be a domain name in small letters' }],
    ),
  ];
  if (errors.length > 0) throw AuthFault.bad_policy({ errors });
}

function requireLivable(policy: OrgPolicy, caller: Caller): void {
  if (!addressAllowed(policy.allowedCidrs, caller.request.ip))
    throw AuthFault.policy_locks_out({ data: { setting: 'allowedCidrs' } });
  const methods = caller instanceof AuthorityCaller ? caller.authority.session?.authMethods : undefined;
  if (!meetsPolicy(policy.mfa, methods ?? [])) throw AuthFault.policy_locks_out({ data: { setting: 'mfa' } });
}

/** The stored settings with the given parts in their place. */
function merged(stored: unknown, request: ChangePolicyRequest): PolicySettings {
  const before = (typeof stored === 'object' && stored !== null ? stored : {}) as PolicySettings;
  const { password, session, limits, ...plain } = JSON.parse(JSON.stringify(request)) as PolicySettings;
  return {
    ...before,
    ...plain,
    ...(password && { password: { ...before.password, ...password } }),
    ...(session && { session: { ...before.session, ...session } }),
    ...(limits && { limits: { ...before.limits, ...limits } }),
  };
}

/** `{ 'session.idleSeconds': { from, to } }` of every value that differs. */
function differences(before: OrgPolicy, after: OrgPolicy): Record<string, { from: Json; to: Json }> {
  const [old, now] = [flat(before), flat(after)];
  return Object.fromEntries(
    Object.entries(now).flatMap(([path, to]) => {
      const from = old[path] ?? null;
      return JSON.stringify(from) === JSON.stringify(to) ? [] : [[path, { from, to }]];
    }),
  );
}

function flat(policy: OrgPolicy): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(policy).flatMap(([name, value]: [string, unknown]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.entries(value).map(([inner, one]) => [`${name}.${inner}`, one as Json])
        : [[name, value as Json]],
    ),
  );
}

function viewOf(policy: OrgPolicy): PolicyView {
  return {
    ...policy,
    allowedCidrs: [...policy.allowedCidrs],
    allowedEmailDomains: [...policy.allowedEmailDomains],
  };
}
