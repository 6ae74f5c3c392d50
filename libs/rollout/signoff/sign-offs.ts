import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import { type Caller, Clock } from '#kernel';
import { findException } from '../freeze/freeze.store.ts';
import { Moves, planned, found } from '../lifecycle/moves.ts';
import { isIrreversible } from '../lifecycle/plan.ts';
import type { RolloutDetailView } from '../lifecycle/rollout.contract.ts';
import { type AnyTx, lockRollout, type PlannedRow, readRollout } from '../lifecycle/rollout.store.ts';
import type { State } from '../lifecycle/state.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { personIn } from '../lifecycle/human.ts';
import type { SignOffList, SignOffRequest } from './signoff.contract.ts';
import { type Decision, type Purpose, storeSignOff } from './sign-off.store.ts';
import { Standing } from './standing.ts';
import { detailView } from '../lifecycle/rollout-view.ts';

/** When what can be signed. */
const OPEN: Readonly<Record<Purpose, readonly State[]>> = {
  change: ['in_review', 'approved', 'armed'],
  rollback: ['completed', 'verifying', 'suspended', 'failed_needs_operator'],
  freeze: ['in_review', 'approved', 'armed', 'suspended'],
};

/** Signing off: a person, of a digest, for a purpose; what it is worth is asked anew whenever it matters. */
@Injectable()
export class SignOffs {
  constructor(
    private readonly database: Database,
    private readonly moves: Moves,
    private readonly standing: Standing,
    private readonly clock: Clock,
  ) {}

  async list(caller: Caller, id: string): Promise<SignOffList> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await found(readRollout(tx, tx.orgId, id));
      const { signOffs } = await this.standing.of(tx, row);
      return {
        items: signOffs.map((one) => ({
          id: one.id,
          purpose: one.purpose,
          digest: one.digest,
          decision: one.decision,
          userId: one.user_id,
          comment: one.comment,
          at: one.at.toISOString(),
          current: [row.digest, row.recovery_digest].includes(one.digest) || one.purpose === 'freeze',
          counts: one.counts,
        })),
      };
    });
  }

  /**
   * Faults: `rollout.needs_person`, `rollout.wrong_state`, `rollout.expired`, `rollout.digest_changed`,
   * `rollout.duty_conflict`.
   */
  async sign(caller: Caller, id: string, request: SignOffRequest): Promise<RolloutDetailView> {
    const { userId, sessionId } = personIn(caller);
    const purpose = (request.purpose ?? 'change') as Purpose;
    const decision = request.decision as Decision;
    return this.database.inOrg(caller, async (tx) => {
      const row = planned(await found(lockRollout(tx, tx.orgId, id)));
      const now = this.clock.now();
      // An approval adds nothing to what is approved; a denial may come at any time before it begins.
      const open = purpose === 'change' && decision === 'approve' ? ['in_review'] : OPEN[purpose];
      if (!open.includes(row.state)) throw RolloutFault.wrong_state({ data: { state: row.state } });
      if (row.expires_at !== null && row.expires_at <= now) throw RolloutFault.expired();
      const asker = await requireDigest(tx, row, purpose, request.digest, now);
      const before = await this.standing.of(tx, row, [userId]);
      if (asker !== undefined && before.personOf(asker) === before.personOf(userId))
        throw RolloutFault.duty_conflict({ data: { duties: ['author'] } });
      const duties = before.conflicts(userId, 'approver');
      if (duties.length > 0) throw RolloutFault.duty_conflict({ data: { duties } });
      const signOff = await storeSignOff(tx, id, {
        purpose,
        digest: request.digest,
        decision,
        user_id: userId,
        sessionId,
        comment: request.comment ?? '',
        at: now,
      });
      await this.moves.note(tx, caller, {
        action: decision === 'approve' ? 'rollout.signed_off' : 'rollout.denied',
        target: { type: 'rollout', id },
        changes: { purpose: { to: purpose }, digest: { to: request.digest }, signOff: { to: signOff } },
      });
      return detailView(purpose === 'change' ? await this.#count(tx, caller, row, now) : row);
    });
  }

  async #count(tx: AnyTx, caller: Caller, row: PlannedRow, now: Date): ReturnType<Moves['make']> {
    const { rules } = row.plan.policy;
    const stand = await this.standing.of(tx, row);
    if (stand.denied) {
      return this.moves.make(tx, caller, row, 'reject', ['denied'], { reason: 'denied' });
    }
    const quorum = isIrreversible(row.plan) ? rules.irreversibleQuorum : rules.quorum;
    if (row.state !== 'in_review' || !stand.isMet(quorum, 'change', row.digest)) return row;
    return this.moves.make(tx, caller, row, 'approve', ['quorum_met'], {
      expiresAt: new Date(now.getTime() + rules.approvalSeconds * 1000),
    });
  }
}

/** That it is what is there. Answers who asked for it, of an exception. */
async function requireDigest(
  tx: AnyTx,
  row: PlannedRow,
  purpose: Purpose,
  digest: string,
  now: Date,
): Promise<string | undefined> {
  if (purpose === 'freeze') {
    const exception = await findException(tx, row.org_id, row.id, digest.replace(/^freeze:/, ''));
    if (exception && exception.expires_at <= now) throw RolloutFault.expired();
    if (exception?.digest === row.digest && digest.startsWith('freeze:')) return exception.asked_by;
  } else if (digest === (purpose === 'change' ? row.digest : row.recovery_digest)) return undefined;
  throw RolloutFault.digest_changed({ data: { digest: row.digest } });
}
