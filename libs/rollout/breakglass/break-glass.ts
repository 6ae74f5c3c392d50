import { Injectable } from '@nestjs/common';
import { Applying } from '../apply/applying.ts';
import { Readiness } from '../apply/readiness.ts';
import { personal } from '#audit';
import { Database, type OrgTx } from '#database';
import { type Caller, Clock, Fault, type Page, pageOf, readPage } from '#kernel';
import { Mail } from '#mail';
import { allPass, blocking } from '../gates/gate.ts';
import { Gates } from '../gates/gates.ts';
import { Moves, nextState, planned, found } from '../lifecycle/moves.ts';
import { isIrreversible } from '../lifecycle/plan.ts';
import type { RolloutDetailView } from '../lifecycle/rollout.contract.ts';
import { authorsOf, lockRollout, type PlannedRow, readRollout } from '../lifecycle/rollout.store.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { personIn } from '../lifecycle/human.ts';
import { readAlerted } from '../signoff/person.store.ts';
import { Standing } from '../signoff/standing.ts';
import type { BreakGlassRequest, BreakGlassView } from './break-glass.contract.ts';
import {
  type GlassRow,
  insertGlass,
  lockGlass,
  notPassedOver,
  readGlasses,
  storeReview,
} from './break-glass.store.ts';
import { detailView } from '../lifecycle/rollout-view.ts';

const REVIEW_WITHIN_MS = 3 * 86_400_000;

/**
 * Executing a rollout before it is signed off. It lasts for a time, owners and administrators hear of it at once, and
 * somebody else has to review it. It opens gates, and goes past what cannot be read just then, by name; nothing else:
 * what is irreversible, was read to have changed, or is held by another rollout stays where it is.
 */
@Injectable()
export class BreakGlass {
  constructor(
    private readonly database: Database,
    private readonly moves: Moves,
    private readonly gates: Gates,
    private readonly readiness: Readiness,
    private readonly applying: Applying,
    private readonly standing: Standing,
    private readonly mail: Mail,
    private readonly clock: Clock,
  ) {}

  /** Faults: `rollout.needs_person`, `rollout.digest_changed`, `rollout.break_glass_irreversible`, `rollout.diverged`. */
  async open(caller: Caller, id: string, request: BreakGlassRequest): Promise<RolloutDetailView> {
    const { userId } = personIn(caller);
    const outcome = await this.database.inOrg(caller, async (tx) => {
      const row = planned(await found(lockRollout(tx, tx.orgId, id)));
      nextState(row, 'break_glass', ['break_glass', 'unchanged', 'targets_locked']);
      if (row.digest !== request.digest) throw RolloutFault.digest_changed({ data: { digest: row.digest } });
      if (isIrreversible(row.plan)) throw RolloutFault.break_glass_irreversible();
      const differences = await this.readiness.differences(tx, row);
      const unread = differences.filter((one) => one.unread).map(({ what }) => what);
      const diverged = await this.readiness.diverged(tx, caller, row, notPassedOver(differences, { unread }));
      if (diverged) return diverged;
      await this.readiness.lock(tx, caller, row);
      await this.#record(tx, caller, row, { ...request, unread });
      const begun = await this.moves.make(
        tx,
        caller,
        row,
        'break_glass',
        ['break_glass', 'unchanged', 'targets_locked'],
        { reason: 'break_glass' },
      );
      await this.applying.begin(tx, row, userId);
      return begun;
    });
    if (outcome instanceof Fault) throw outcome;
    return detailView(outcome);
  }

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<BreakGlassView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readGlasses(tx, limit + 1, before));
    return pageOf(rows, limit, (row) => glassView(row, this.clock.now()));
  }

  /** By somebody else than who opened it, whatever account they use. */
  async review(caller: Caller, id: string, review: string): Promise<BreakGlassView> {
    const { userId } = personIn(caller);
    const now = this.clock.now();
    return this.database.inOrg(caller, async (tx) => {
      const glass = await lockGlass(tx, id);
      if (!glass) throw RolloutFault.break_glass_not_found();
      if (glass.reviewed_at !== null) throw RolloutFault.break_glass_reviewed();
      const row = await found(readRollout(tx, tx.orgId, glass.rollout_id));
      const { personOf } = await this.standing.of(tx, row, [userId, glass.opened_by]);
      const own = [glass.opened_by, ...authorsOf(row)].map(personOf);
      if (own.includes(personOf(userId)))
        throw RolloutFault.duty_conflict({ data: { duties: ['executor'] } });
      await storeReview(tx, id, userId, review, now);
      await this.moves.note(tx, caller, {
        action: 'rollout_break_glass.reviewed',
        target: { type: 'rollout', id: row.id },
        changes: { breakGlass: { to: id } },
      });
      return glassView({ ...glass, reviewed_at: now, reviewed_by: userId, review }, now);
    });
  }

  async #record(
    tx: OrgTx,
    caller: Caller,
    row: PlannedRow,
    request: BreakGlassRequest & { unread: string[] },
  ): Promise<void> {
    const now = this.clock.now();
    const results = await this.gates.evaluate(tx, row);
    const longest = row.plan.policy.rules.breakGlassSeconds;
    const seconds = Math.min(request.seconds ?? longest, longest);
    const endsAt = new Date(now.getTime() + seconds * 1000);
    const { unread } = request;
    const needed = !allPass(results) || unread.length > 0;
    const id = await insertGlass(tx, {
      rollout_id: row.id,
      digest: row.digest,
      opened_by: caller.userId ?? caller.id,
      justification: request.justification,
      incident: request.incident,
      needed,
      unread,
      opened_at: now,
      ends_at: endsAt,
      review_due_at: new Date(now.getTime() + REVIEW_WITHIN_MS),
    });
    await this.moves.note(tx, caller, {
      action: 'rollout_break_glass.opened',
      target: { type: 'rollout', id: row.id },
      reason: 'break_glass',
      changes: {
        breakGlass: { to: id },
        digest: { to: row.digest },
        incident: { to: personal(request.incident) },
        needed: { to: needed },
        unread: { to: unread },
        endsAt: { to: endsAt.toISOString() },
        closedGates: { to: blocking(results).map(({ name }) => name) },
      },
    });
    for (const { email } of await readAlerted(tx)) {
      await this.mail.send(tx, {
        template: 'break_glass',
        to: email,
        data: { organization: caller.org.name, rollout: row.title, incident: request.incident },
      });
    }
  }
}

function glassView(row: GlassRow, now: Date): BreakGlassView {
  return {
    id: row.id,
    rolloutId: row.rollout_id,
    digest: row.digest,
    openedBy: row.opened_by,
    justification: row.justification,
    incident: row.incident,
    needed: row.needed,
    unread: [...row.unread],
    openedAt: row.opened_at.toISOString(),
    endsAt: row.ends_at.toISOString(),
    reviewDueAt: row.review_due_at.toISOString(),
    reviewState: row.reviewed_at !== null ? 'done' : row.review_due_at <= now ? 'overdue' : 'due',
    reviewedBy: row.reviewed_by,
    review: row.review,
  };
}
