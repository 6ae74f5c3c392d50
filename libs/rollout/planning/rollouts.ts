import { Injectable } from '@nestjs/common';
import { Database, type OrgTx } from '#database';
import { type Caller, Clock, type Page, pageOf, readPage } from '#kernel';
import { readPolicy } from '../policy/policy.store.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { Standing } from '../signoff/standing.ts';
import { humanOf } from '../lifecycle/human.ts';
import { Moves, planned, found } from '../lifecycle/moves.ts';
import { isIrreversible } from '../lifecycle/plan.ts';
import type {
  MoveList,
  RolloutDetailView,
  RolloutQuery,
  RolloutRequest,
  RolloutView,
} from '../lifecycle/rollout.contract.ts';
import {
  insertRollout,
  lockExpired,
  lockRollout,
  readMoves,
  readRollout,
  readRollouts,
} from '../lifecycle/rollout.store.ts';
import { rolloutView, detailView } from '../lifecycle/rollout-view.ts';

/** Rollouts as records: writing them, reading them, asking for their review, and ending them before they begin. */
@Injectable()
export class Rollouts {
  constructor(
    private readonly database: Database,
    private readonly moves: Moves,
    private readonly standing: Standing,
    private readonly clock: Clock,
  ) {}

  async list(caller: Caller, query: RolloutQuery): Promise<Page<RolloutView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) =>
      readRollouts(tx, { limit: limit + 1, before, state: query.state }),
    );
    return pageOf(rows, limit, rolloutView);
  }

  async read(caller: Caller, id: string): Promise<RolloutDetailView> {
    return this.database.inOrg(caller, async (tx) => detailView(await found(readRollout(tx, tx.orgId, id))));
  }

  async history(caller: Caller, id: string): Promise<MoveList> {
    return this.database.inOrg(caller, async (tx) => {
      await found(readRollout(tx, tx.orgId, id));
      const rows = await readMoves(tx, id, 1_000);
      return {
        items: rows.map((row) => ({
          move: row.move,
          from: row.from_state,
          to: row.to_state,
          reason: row.reason,
          digest: row.digest,
          actorType: row.actor_type,
          actorId: row.actor_id,
          at: row.at.toISOString(),
        })),
      };
    });
  }

  async create(caller: Caller, request: RolloutRequest): Promise<RolloutDetailView> {
    return this.database.inOrg(caller, async (tx) => {
      if (!(await readPolicy(tx, tx.orgId, request.policyId))) {
        throw RolloutFault.policy_not_found({
          errors: [{ path: 'policyId', message: 'must name a policy' }],
        });
      }
      if (request.supersedes !== undefined) await this.#supersede(tx, caller, request.supersedes);
      const id = await insertRollout(tx, {
        title: request.title,
        description: request.description ?? '',
        authorId: humanOf(caller),
        policyId: request.policyId,
        supersedes: request.supersedes,
      });
      await this.moves.note(tx, caller, {
        action: 'rollout.created',
        target: { type: 'rollout', id },
        changes: {
          title: { to: request.title },
          policy: { to: request.policyId },
          ...(request.supersedes !== undefined && { supersedes: { to: request.supersedes } }),
        },
      });
      return detailView(await found(readRollout(tx, tx.orgId, id)));
    });
  }

  /** A review opens only on a sealed plan. Sign-offs of the same digest that still count are counted at once. */
  async openReview(caller: Caller, id: string): Promise<RolloutDetailView> {
    return this.database.inOrg(caller, async (tx) => {
      const row = planned(await found(lockRollout(tx, tx.orgId, id)));
      const { rules } = row.plan.policy;
      const reviewed = await this.moves.make(tx, caller, row, 'open_review', [], {
        expiresAt: this.#in(rules.reviewSeconds),
      });
      const stand = await this.standing.of(tx, row);
      const quorum = isIrreversible(row.plan) ? rules.irreversibleQuorum : rules.quorum;
      if (!stand.isMet(quorum, 'change', row.digest)) return detailView(reviewed);
      return detailView(
        await this.moves.make(tx, caller, reviewed, 'approve', ['quorum_met'], {
          expiresAt: this.#in(rules.approvalSeconds),
        }),
      );
    });
  }

  async withdraw(caller: Caller, id: string, reason: string): Promise<RolloutDetailView> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await found(lockRollout(tx, tx.orgId, id));
      return detailView(await this.moves.make(tx, caller, row, 'withdraw', [], { reason }));
    });
  }

  /** Ends what nobody signed, or began, in time. Nothing is ever approved by waiting. */
  async expire(): Promise<void> {
    for (;;) {
      const ended = await this.database.acrossOrgs('rollouts', async (tx) => {
        const rows = await lockExpired(tx, this.clock.now(), 100);
        for (const row of rows) {
          const by = { system: 'rollout', orgId: row.org_id } as const;
          await this.moves.make(tx, by, row, 'expire', [], { reason: 'nobody_in_time' });
        }
        return rows.length;
      });
      if (ended < 100) return;
    }
  }

  async #supersede(tx: OrgTx, caller: Caller, id: string): Promise<void> {
    const before = await lockRollout(tx, tx.orgId, id);
    if (!before) throw RolloutFault.not_found();
    // What was carried out and taken back, or ended otherwise, is only referred to.
    if (before.begun_at !== null) return;
    await this.moves.make(tx, caller, before, 'supersede', [], { reason: 'superseded' });
  }

  #in(seconds: number): Date {
    return new Date(this.clock.now().getTime() + seconds * 1000);
  }
}
