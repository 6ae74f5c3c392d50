import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { type Caller, isId } from '#kernel';
import {
  type AccessRule,
  accessRuleOf,
  type CallerRule,
  goesOnOf,
  isWrite,
  OWN,
  PLATFORM,
} from './access-rule.ts';
import { AccessFault } from './access.faults.ts';
import { type AccessRequest, Authenticator, Openings, SignedRequests, SystemGate } from './ports.ts';

/**
 * Stands before every route. Order: the access word, the state of the system, the credential, the organization,
 * its suspension, the permissions, the proof. Closed where a word is missing, although the boot seal leaves no such route.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly gate: SystemGate,
    private readonly openings: Openings,
    private readonly signed: SignedRequests,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const handler = context.getHandler();
    const rule = accessRuleOf(handler);
    if (rule === undefined) throw AccessFault.undeclared();
    const request = context.switchToHttp().getRequest<AccessRequest>();
    const refusal = this.gate.refusal({
      duringSetup: rule.word === 'public' && rule.duringSetup,
      write: isWrite(request.facts.method) && goesOnOf(handler) === undefined,
    });
    if (refusal instanceof Promise) {
      return refusal.then((fault) => {
        if (fault) throw fault;
        return this.admit(rule, request);
      });
    }
    if (refusal) throw refusal;
    return this.admit(rule, request);
  }

  private admit(rule: AccessRule, request: AccessRequest): boolean | Promise<boolean> {
    if (rule.word === 'public') return true;
    if (rule.word === 'access' && rule.open !== undefined && this.openings.has(rule.open)) return true;
    if (rule.word === 'signed') return this.verify(rule.scheme, request);
    const caller = this.authenticator.authenticate(request);
    if (caller instanceof Promise) return caller.then((found) => this.check(rule, request, found));
    return this.check(rule, request, caller);
  }

  private async verify(scheme: string, request: AccessRequest): Promise<boolean> {
    request.proof = await this.signed.verify(scheme, request);
    return true;
  }

  /** Throws unless the rule lets this caller in. */
  private check(rule: CallerRule, request: AccessRequest, caller: Caller): boolean | Promise<boolean> {
    requirePermissions(rule, request, caller);
    // What a policy asks for binds what the organization grants; own matters, the second factor among them, stay open.
    const policy = rule.word === 'access';
    if ((!policy || caller.assured) && rule.fresh === undefined) return true;
    return this.authenticator.requireProof(caller, { policy, fresh: rule.fresh }).then(() => true);
  }
}

function requirePermissions(rule: CallerRule, request: AccessRequest, caller: Caller): void {
  request.caller = caller;
  if (rule.word === 'access') requireOrg(rule, request.params as Record<string, string>, caller);
  if (caller.org.status !== 'active') throw AccessFault.org_suspended();
  if (rule.word === 'access') {
    for (const permission of rule.permissions) {
      if (!caller.permissions.has(permission)) throw AccessFault.denied({ data: { permission } });
    }
  }
}

function requireOrg(
  { org, permissions }: Extract<AccessRule, { word: 'access' }>,
  params: Record<string, string>,
  caller: Caller,
): void {
  if (org === OWN) return;
  if (org === PLATFORM) {
    if (caller.org.kind === 'platform') return;
    throw AccessFault.denied({ data: { permission: permissions[0], organization: 'platform' } });
  }
  const named = params[org];
  if (named === caller.org.id) return;
  if (isId(named)) throw AccessFault.not_found({ audit: { reason: 'other_organization' } });
  throw AccessFault.bad_org({ errors: [{ path: org, message: 'must be a UUID' }] });
}
