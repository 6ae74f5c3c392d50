import { Injectable } from '@nestjs/common';
import type { AccessRequest } from '#access';
import { Database } from '#database';
import { parseStrictJson, readInput } from '#http';
import { Clock } from '#kernel';
import { Moves } from '../lifecycle/moves.ts';
import { isPlanned, readRollout } from '../lifecycle/rollout.store.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { CallbackRequest } from './gate.contract.ts';
import { findHook, insertResult } from './gate.store.ts';
import { SignedCallback } from './signed-callbacks.ts';
import { SKEW_MS } from '../lifecycle/clock-skew.ts';

/** How long ago a call-back may have been signed; beyond that its nonce need not be remembered to refuse it. */
const WINDOW_MS = 300_000;

/** What external gates say. A call-back is signed as a whole, which the guard has proven, and counts once. */
@Injectable()
export class Callbacks {
  constructor(
    private readonly database: Database,
    private readonly moves: Moves,
    private readonly clock: Clock,
  ) {}

  /** Faults: `rollout.callback_refused`, `rollout.callback_late`, `rollout.callback_replayed`, `rollout.digest_changed`. */
  async take({ proof }: AccessRequest): Promise<void> {
    if (!(proof instanceof SignedCallback)) throw RolloutFault.callback_refused();
    const { hookId, orgId, body } = proof;
    const request = readInput(CallbackRequest, parseStrictJson(body));
    await this.database.acrossOrgs('rollout_callback', async (tx) => {
      // It may have been revoked since it was verified.
      if (!(await findHook(tx, hookId))) throw RolloutFault.callback_refused();
      const observedAt = new Date(request.observedAt);
      const age = this.clock.now().getTime() - observedAt.getTime();
      if (age > WINDOW_MS || age < -SKEW_MS) throw RolloutFault.callback_late();
      const row = await readRollout(tx, orgId, request.rolloutId);
      const gate =
        row && isPlanned(row)
          ? row.plan.policy.rules.gates.find(({ name }) => name === request.gate)
          : undefined;
      if (!row || gate?.kind !== 'external' || gate.hookId !== hookId) throw RolloutFault.callback_refused();
      if (row.digest !== request.digest) throw RolloutFault.digest_changed();
      const { rolloutId, digest, verdict, nonce } = request;
      const taken = await insertResult(tx, orgId, {
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
        { system: 'rollout', orgId },
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
}
