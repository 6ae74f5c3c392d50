import { Injectable } from '@nestjs/common';
import { type AccessRequest, type SignatureScheme, SignedRequests } from '#access';
import { AttemptLimits } from '#auth';
import { Database } from '#database';
import { type FaultAudit, isId } from '#kernel';
import { findHook, type HookRow, type LiveHook } from '../hooks/hook.store.ts';
import { IntakeFault } from '../intake.faults.ts';
import { HookSecrets } from './hook-secrets.ts';
import { type DeliveryHeaders, isSigned, readHeaders } from './signature.ts';

/** Signed deliveries that one hook takes in a minute. Those without a right signature count for their source alone. */
const PER_HOOK = 600;
const WINDOW_SECONDS = 60;

/** What a right signature proves: these bytes are of whoever holds a secret of this hook. */
export class SignedDelivery {
  constructor(
    readonly hook: HookRow,
    readonly headers: DeliveryHeaders,
    readonly body: Buffer,
  ) {}
}

/**
 * Verifies deliveries before a byte of them is parsed. A hook that does not exist answers as one whose signature is
 * wrong, after the same work.
 */
@Injectable()
export class SignedDeliveries implements SignatureScheme {
  constructor(
    private readonly database: Database,
    private readonly secrets: HookSecrets,
    private readonly limits: AttemptLimits,
    signed: SignedRequests,
  ) {
    signed.add('gitea', this);
  }

  verify(request: AccessRequest): Promise<SignedDelivery> {
    return this.limits.countRefusals(request.facts, () => this.#verify(request));
  }

  async #verify({ headers: sent, params, body }: AccessRequest): Promise<SignedDelivery> {
    const { hookId } = params as { hookId?: unknown };
    if (hookId !== undefined && !isId(hookId)) {
      throw IntakeFault.bad_hook_id({ errors: [{ path: 'hookId', message: 'must be a UUID' }] });
    }
    const headers = readHeaders(sent);
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    const hook = await findHook(this.database.alone('gitea_intake'), hookId);
    const secrets = hook ? await this.secrets.of(hook) : [];
    if (!isSigned(bytes, headers.signature, secrets) || !hook) throw unproven(hook, secrets);
    if (!hook.live) throw IntakeFault.hook_disabled({ audit: refusalOf(hook) });
    await this.limits.countUse('gitea_hook', hook.id, PER_HOOK, WINDOW_SECONDS, refusalOf(hook));
    return new SignedDelivery(hook, headers, bytes);
  }
}

/** The operator learns more than the sender does. */
function unproven(hook: LiveHook | undefined, secrets: readonly string[]): Error {
  if (!hook) return IntakeFault.bad_signature({ audit: { reason: 'unknown_hook' } });
  const reason = secrets.length === 0 ? 'no_usable_secret' : 'wrong_signature';
  return IntakeFault.bad_signature({ audit: { ...refusalOf(hook), reason } });
}

/** A refusal stands in the log of the hook's organization. */
export function refusalOf({ id, org_id }: Pick<HookRow, 'id' | 'org_id'>): FaultAudit {
  return { orgId: org_id, action: 'intake.delivery_refused', target: { type: 'gitea_hook', id } };
}
