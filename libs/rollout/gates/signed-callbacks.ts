import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type AccessRequest, type SignatureScheme, SignedRequests } from '#access';
import { AttemptLimits } from '#auth';
import { Database } from '#database';
import { isId, randomText, sameSecret } from '#kernel';
import { MasterKey } from '#secrets';
import { RolloutFault } from '../rollout.faults.ts';
import { findHook } from './gate.store.ts';
import { hookContext } from './hooks.ts';

/** Where the signature of a call-back stands: hexadecimal HMAC-SHA-256 of the body, by the secret of the hook. */
const HEADER = 'x-portcullis-signature';

/** What a right signature proves: these bytes are of whoever holds the secret of this hook. */
export class SignedCallback {
  constructor(
    readonly hookId: string,
    readonly orgId: string,
    readonly body: Buffer,
  ) {}
}

/**
 * Verifies call-backs of external gates before a byte of them is parsed. Whatever is wrong, the answer is the same, after
 * the same work.
 */
@Injectable()
export class SignedCallbacks implements SignatureScheme {
  /** Compared where there is no hook. */
  readonly #nobodys = randomText(32);

  constructor(
    private readonly database: Database,
    private readonly masterKey: MasterKey,
    private readonly limits: AttemptLimits,
    signed: SignedRequests,
  ) {
    signed.add('rollout-hook', this);
  }

  verify(request: AccessRequest): Promise<SignedCallback> {
    return this.limits.countRefusals(request.facts, () => this.#verify(request));
  }

  async #verify({ headers, params, body }: AccessRequest): Promise<SignedCallback> {
    const { hookId } = params as { hookId?: unknown };
    if (!isId(hookId)) {
      throw RolloutFault.bad_hook_id({ errors: [{ path: 'hookId', message: 'must be a UUID' }] });
    }
    const sent = headers[HEADER];
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    const hook = await this.database.acrossOrgs('rollout_callback', (tx) => findHook(tx, hookId));
    const secret = hook
      ? this.masterKey.unwrap(hook.wrapped_secret, hookContext(hook.org_id, hookId)).toString()
      : this.#nobodys;
    const signature = createHmac('sha256', secret).update(bytes).digest('hex');
    const proven = sameSecret(signature, typeof sent === 'string' ? sent : '');
    if (!proven || !hook) {
      throw RolloutFault.callback_refused({
        ...(hook && { audit: { orgId: hook.org_id, target: { type: 'rollout_hook', id: hookId } } }),
      });
    }
    return new SignedCallback(hookId, hook.org_id, bytes);
  }
}
