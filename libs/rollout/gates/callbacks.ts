import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, type SystemTx } from '#database';
import { Clock, sameSecret } from '#kernel';
import { MasterKey } from '#secrets';
import { Moves } from '../lifecycle/moves.ts';
import { isPlanned, readRollout } from '../lifecycle/rollout.store.ts';
import { RolloutFault } from '../rollout.faults.ts';
import type { CallbackRequest } from './gate.contract.ts';
import { findHook, insertResult } from './gate.store.ts';
import { hookContext } from './hooks.ts';

/** How long ago a call-back may have been signed; beyond that its nonce need not be remembered to refuse it. */
const WINDOW_MS = 300_000;

/** What external gates say. A call-back proves by its signature where it comes from, and counts once. */
@Injectable()
export class Callbacks {
  constructor(
    private readonly database: Database,
    private readonly masterKey: MasterKey,
    private readonly moves: Moves,
    private readonly clock: Clock,
  ) {}

  /** Faults: `rollout.callback_refused`, `rollout.callback_late`, `rollout.callback_replayed`, `rollout.digest_changed`. */
  async take(hookId: string, request: CallbackRequest): Promise<void> {
    await this.database.acrossOrgs('rollout_callback', async (tx) => {
      const hook = await this.#proven(tx, hookId, request);
      const observedAt = new Date(request.observedAt);
      if (Math.abs(this.clock.now().getTime() - observedAt.getTime()) > WINDOW_MS)
        throw RolloutFault.callback_late();
      const row = await readRollout(tx, hook.org_id, request.rolloutId);
      const gate =
        row && isPlanned(row)
          ? row.plan.policy.rules.gates.find(({ name }) => name === request.gate)
          : undefined;
      if (!row || gate?.kind !== 'external' || gate.hookId !== hookId) throw RolloutFault.callback_refused();
      if (row.digest !== request.digest) throw RolloutFault.digest_changed();
      const { rolloutId, digest, verdict, nonce } = request;
      const taken = await insertResult(tx, hook.org_id, {
        rolloutId,
        gate: gate.name,
        digest,
        verdict,
        source: 'external',
        recordedBy: `hook:${hookId}`,
        detail: undefined,
        hookId,
        nonce,
        observedAt,
      });
      if (!taken) throw RolloutFault.callback_replayed();
      await this.moves.note(
        tx,
        { system: 'rollout', orgId: hook.org_id },
        {
          action: 'rollout.gate_recorded',
          target: { type: 'rollout', id: rolloutId },
          changes: {
            gate: { to: gate.name },
            verdict: { to: verdict },
            source: { to: 'external' },
            digest: { to: digest },
            hook: { to: hookId },
          },
        },
      );
    });
  }

  /** The hook whose secret signed it. Whatever is wrong, the answer is the same. */
  async #proven(tx: SystemTx, hookId: string, request: CallbackRequest): Promise<{ org_id: string }> {
    const hook = await findHook(tx, hookId);
    if (!hook) throw RolloutFault.callback_refused();
    const secret = this.masterKey.unwrap(hook.wrapped_secret, hookContext(hook.org_id, hookId));
    const signed = createHmac('sha256', secret.toString()).update(signedText(request)).digest('hex');
    if (!sameSecret(signed, request.signature))
      throw RolloutFault.callback_refused({
        audit: { orgId: hook.org_id, target: { type: 'rollout_hook', id: hookId } },
      });
    return hook;
  }
}

/** No field may hold a line feed where another begins: gate and nonce are the free ones. */
function signedText(request: CallbackRequest): string {
  const fields = [
    request.rolloutId,
    request.gate,
    request.digest,
    request.verdict,
    request.observedAt,
    request.nonce,
  ];
  if (fields.some((field) => field.includes('\n'))) throw RolloutFault.callback_refused();
  return fields.map((field) => `${field}\n`).join('');
}
