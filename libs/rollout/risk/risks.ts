import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database, type OrgTx } from '#database';
import { type Caller, Clock, type Page, pageOf, readPage } from '#kernel';
import { authorsOf, readRollout } from '../lifecycle/rollout.store.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { humanOf, personIn } from '../lifecycle/human.ts';
import { Standing } from '../signoff/standing.ts';
import { isLower, type Level, levelOf, mayAccept } from './risk-level.ts';
import type { AcceptRequest, RateRequest, RiskQuery, RiskRequest, RiskView } from './risk.contract.ts';
import {
  insertRisk,
  lockRisk,
  type Rated,
  readRisks,
  type RiskRow,
  storeAcceptance,
  storeClosed,
  updateRisk,
} from './risk.store.ts';
import { found } from '../lifecycle/moves.ts';

const LONGEST_ACCEPTANCE_MS = 366 * 86_400_000;

/** The register of residual risks: each a record of its own, accepted by a named authority, for a plan and for a time. */
@Injectable()
export class Risks {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly standing: Standing,
    private readonly clock: Clock,
  ) {}

  async list(caller: Caller, query: RiskQuery): Promise<Page<RiskView>> {
    const { limit, before } = readPage(query);
    const now = this.clock.now();
    const { rolloutId, level, treatment, status } = query;
    const rows = await this.database.inOrg(caller, (tx) =>
      readRisks(tx, { limit: limit + 1, before, rolloutId, level, treatment, status, now }),
    );
    return pageOf(rows, limit, (row) => riskView(row, now));
  }

  async raise(caller: Caller, request: RiskRequest): Promise<RiskView> {
    const rated = ratedOf(request);
    const before = {
      likelihood: request.likelihoodBefore ?? request.likelihood,
      consequence: request.consequenceBefore ?? request.consequence,
    };
    const { rolloutId } = request;
    return this.database.inOrg(caller, async (tx) => {
      if (rolloutId !== undefined) await found(readRollout(tx, tx.orgId, rolloutId));
      const id = await insertRisk(tx, rated, { rolloutId, raisedBy: humanOf(caller), before });
      if (id === undefined) {
        throw RolloutFault.risk_bad({
          errors: [{ path: 'rolloutId', message: 'has as many risks as it may' }],
        });
      }
      await this.audit.append(tx, caller, {
        action: 'risk.raised',
        target: { type: 'risk', id },
        changes: {
          ...(rolloutId !== undefined && { rollout: { to: rolloutId } }),
          level: { to: rated.level },
          treatment: { to: rated.treatment },
        },
      });
      return this.#view(tx, id);
    });
  }

  /**
   * What was accepted is void: it was of another risk. To rate it lower is for whom it may be closed by. Faults: as
   * `close`.
   */
  async rate(caller: Caller, id: string, request: RateRequest): Promise<RiskView> {
    const rated = ratedOf(request);
    return this.database.inOrg(caller, async (tx) => {
      const risk = await this.#open(tx, id);
      if (isLower(rated.level, risk.level)) await this.#requireAuthority(tx, caller, risk);
      await updateRisk(tx, id, rated);
      await this.audit.append(tx, caller, {
        action: 'risk.updated',
        target: { type: 'risk', id },
        changes: {
          level: { from: risk.level, to: rated.level },
          treatment: { from: risk.treatment, to: rated.treatment },
        },
      });
      return this.#view(tx, id);
    });
  }

  /**
   * Faults: `rollout.needs_person`, `rollout.risk_critical`, `rollout.risk_outranks`, `rollout.risk_own`,
   * `rollout.risk_bad`.
   */
  async accept(caller: Caller, id: string, request: AcceptRequest): Promise<RiskView> {
    const now = this.clock.now();
    const validUntil = new Date(request.validUntil);
    if (validUntil <= now || validUntil.getTime() > now.getTime() + LONGEST_ACCEPTANCE_MS) {
      const message = 'must lie ahead, at most a year';
      throw RolloutFault.risk_bad({ errors: [{ path: 'validUntil', message }] });
    }
    return this.database.inOrg(caller, async (tx) => {
      const risk = await this.#open(tx, id);
      if (risk.level === 'critical') throw RolloutFault.risk_critical();
      const { userId, role, digest } = await this.#requireAuthority(tx, caller, risk);
      const conditions = request.conditions ?? risk.conditions;
      await storeAcceptance(tx, id, { userId, as: role, digest, at: now, validUntil, conditions });
      await this.audit.append(tx, caller, {
        action: 'risk.accepted',
        target: { type: 'risk', id },
        changes: {
          level: { to: risk.level },
          as: { to: role },
          digest: { to: digest },
          validUntil: { to: validUntil.toISOString() },
        },
      });
      return this.#view(tx, id);
    });
  }

  async withdraw(caller: Caller, id: string): Promise<RiskView> {
    return this.database.inOrg(caller, async (tx) => {
      const risk = await this.#open(tx, id);
      const { conditions } = risk;
      const nobody = { userId: null, as: null, digest: null, at: null, validUntil: null, conditions };
      await storeAcceptance(tx, id, nobody);
      await this.audit.append(tx, caller, {
        action: 'risk.acceptance_withdrawn',
        target: { type: 'risk', id },
        changes: { level: { to: risk.level } },
      });
      return this.#view(tx, id);
    });
  }

  /** A risk that keeps a rollout back is not closed by its author: that would be an acceptance by another name. */
  async close(caller: Caller, id: string, reason: string): Promise<RiskView> {
    return this.database.inOrg(caller, async (tx) => {
      const risk = await this.#open(tx, id);
      await this.#requireAuthority(tx, caller, risk);
      await storeClosed(tx, id, reason, this.clock.now());
      await this.audit.append(tx, caller, {
        action: 'risk.closed',
        target: { type: 'risk', id },
        changes: { level: { from: risk.level } },
      });
      return this.#view(tx, id);
    });
  }

  /**
   * A person whose authority outranks the risk, and who neither raised it nor wrote the change it is of, by any account.
   * With the digest it belongs to now, where it is of a rollout.
   */
  async #requireAuthority(
    tx: OrgTx,
    caller: Caller,
    risk: RiskRow,
  ): Promise<{ userId: string; role: string | null; digest: string | null }> {
    const { userId } = personIn(caller);
    const row = risk.rollout_id === null ? null : await found(readRollout(tx, tx.orgId, risk.rollout_id));
    const authors = [risk.raised_by, ...(row ? authorsOf(row) : [])];
    const { accounts, personOf } = await this.standing.among(tx, tx.orgId, [userId, ...authors]);
    const role = accounts.get(userId)?.built_in ?? null;
    // Nobody accepts a critical one; it is closed, or rated lower, by whom a high one may be accepted by.
    const level: Level = risk.level === 'critical' ? 'high' : risk.level;
    if (!mayAccept(role, level)) throw RolloutFault.risk_outranks({ data: { level: risk.level } });
    if (authors.map(personOf).includes(personOf(userId))) throw RolloutFault.risk_own();
    return { userId, role, digest: row?.digest ?? null };
  }

  async #open(tx: OrgTx, id: string): Promise<RiskRow> {
    const risk = await lockRisk(tx, id);
    if (!risk) throw RolloutFault.risk_not_found();
    if (risk.closed_at !== null) throw RolloutFault.risk_closed();
    return risk;
  }

  async #view(tx: OrgTx, id: string): Promise<RiskView> {
    const row = await lockRisk(tx, id);
    if (!row) throw RolloutFault.risk_not_found();
    return riskView(row, this.clock.now());
  }
}

function ratedOf(request: RateRequest): Rated {
  return {
    statement: request.statement,
    likelihood: request.likelihood,
    consequence: request.consequence,
    level: levelOf(request.likelihood, request.consequence),
    treatment: request.treatment,
    rationale: request.rationale,
    conditions: request.conditions ?? '',
    reviewAt: request.reviewAt === undefined ? undefined : new Date(request.reviewAt),
  };
}

export function riskView(row: RiskRow, now: Date): RiskView {
  return {
    id: row.id,
    rolloutId: row.rollout_id,
    statement: row.statement,
    likelihoodBefore: row.likelihood_before,
    consequenceBefore: row.consequence_before,
    levelBefore: levelOf(row.likelihood_before, row.consequence_before),
    likelihood: row.likelihood,
    consequence: row.consequence,
    level: row.level,
    treatment: row.treatment,
    rationale: row.rationale,
    conditions: row.conditions,
    status: statusOf(row, now),
    raisedBy: row.raised_by,
    reviewAt: row.review_at?.toISOString() ?? null,
    acceptedBy: row.accepted_by,
    acceptedAs: row.accepted_as,
    acceptedDigest: row.accepted_digest,
    acceptedAt: row.accepted_at?.toISOString() ?? null,
    validUntil: row.valid_until?.toISOString() ?? null,
    closedAt: row.closed_at?.toISOString() ?? null,
    closedReason: row.closed_reason,
    createdAt: row.created_at.toISOString(),
  };
}

function statusOf(row: RiskRow, now: Date): string {
  if (row.closed_at !== null) return 'closed';
  if (row.valid_until === null) return 'open';
  return row.valid_until > now ? 'accepted' : 'expired';
}
