import { Injectable } from '@nestjs/common';
import type { OrgTx } from '#database';
import { Clock, isId } from '#kernel';
import { BACKUP, REHEARSAL } from '../evidence/statement.ts';
import { evidenceOf, type EvidenceRow, newestFacts } from '../evidence/evidence.store.ts';
import {
  type FreezeRow,
  isClockWrong,
  readExceptions,
  readFreezes,
  signedAs,
} from '../freeze/freeze.store.ts';
import { inForce } from '../freeze/freezes.ts';
import { isIrreversible } from '../lifecycle/plan.ts';
import { type AnyTx, authorsOf, type PlannedRow } from '../lifecycle/rollout.store.ts';
import type { GateRule } from '../policy/policy-rules.ts';
import { mayAccept, riskBlocks } from '../risk/risk-level.ts';
import { risksOf } from '../risk/risk.store.ts';
import { hexOf, maySign, type Stand, Standing } from '../signoff/standing.ts';
import { commitSubject, isGiteas, judgeFacts } from '../sources/facts.ts';
import { standingOfSource } from '../sources/source-standing.ts';
import { findTargets } from '../targets/target.store.ts';
import { type GateResult, judge } from './gate.ts';
import { latestResults, type ResultRow, revokedHooks } from './gate.store.ts';
import { Postures } from './postures.ts';

type Judged = Pick<GateResult, 'verdict' | 'reason' | 'until'>;

/** Everything that the gates of one rollout look at. */
interface Looking {
  readonly tx: AnyTx;
  readonly row: PlannedRow;
  readonly stand: Stand;
  readonly now: number;
}

const PASS: Judged = { verdict: 'pass', reason: 'nothing_against_it' };
const fails = (reason: string): Judged => ({ verdict: 'fail', reason });

/**
 * Evaluates the gates of a rollout, each from what the database says at this moment. Sign-off, freeze and residual
 * risk stand before every rollout; irreversible steps bring two more; the policy adds its own.
 */
@Injectable()
export class Gates {
  constructor(
    private readonly standing: Standing,
    private readonly postures: Postures,
    private readonly clock: Clock,
  ) {}

  async evaluate(tx: OrgTx, row: PlannedRow, known?: Stand): Promise<GateResult[]> {
    const stand = known ?? (await this.standing.of(tx, row));
    const looking: Looking = { tx, row, stand, now: this.clock.now().getTime() };
    const always: [string, (at: Looking) => Promise<Judged>][] = [
      ['sign_off', signOff],
      ['freeze', freeze],
      ['residual_risk', (at) => this.#residualRisk(at)],
      ...(isIrreversible(row.plan)
        ? ([
            ['backup', backup],
            ['confirmation', confirmation],
          ] as [string, (at: Looking) => Promise<Judged>][])
        : []),
      ...(row.plan.source ? ([['source', commit]] as [string, (at: Looking) => Promise<Judged>][]) : []),
    ];
    const results: GateResult[] = [];
    for (const [name, look] of always) {
      results.push({ name, kind: name, dryRun: false, ...(await look(looking)) });
    }
    for (const rule of row.plan.policy.rules.gates) {
      const { name, kind, dryRun } = rule;
      results.push({ name, kind, dryRun, ...(await this.#look(tx, looking, rule)) });
    }
    return results;
  }

  /** The freeze alone: it may have begun since. */
  async freeze(tx: AnyTx, row: PlannedRow): Promise<Judged> {
    const stand = await this.standing.of(tx, row);
    return freeze({ tx, row, stand, now: this.clock.now().getTime() });
  }

  /** The backup alone, as before irreversible steps. */
  async backup(tx: AnyTx, row: PlannedRow, stand: Stand): Promise<Judged> {
    return backup({ tx, row, stand, now: this.clock.now().getTime() });
  }

  async #look(tx: OrgTx, looking: Looking, rule: GateRule): Promise<Judged> {
    switch (rule.kind) {
      case 'evidence':
        return evidence(looking, rule.predicateType ?? '', looking.row.digest, rule.maxAgeSeconds);
      case 'rehearsal':
        return evidence(looking, REHEARSAL, looking.row.recovery_digest, rule.maxAgeSeconds);
      case 'posture':
        return this.#posture(tx, looking);
      case 'manual':
        return this.#manual(looking, rule);
      case 'check':
      case 'external':
        return recorded(looking, rule);
    }
  }

  /** An acceptance holds while who gave it still outranks the risk, and is neither its author nor the change's. */
  async #residualRisk({ tx, row, now }: Looking): Promise<Judged> {
    const risks = await risksOf(tx, row.org_id, row.id);
    const people = risks.flatMap(({ accepted_by: by, raised_by: raised }) => (by ? [by, raised] : []));
    const { accounts, personOf } = await this.standing.among(tx, row.org_id, [...authorsOf(row), ...people]);
    for (const risk of risks) {
      const by = risk.accepted_by ?? '';
      const account = accounts.get(by);
      const own = [...authorsOf(row), risk.raised_by].some((id) => personOf(id) === personOf(by));
      const reason = riskBlocks(
        {
          level: risk.level,
          treatment: risk.treatment,
          acceptedUntil: risk.valid_until?.getTime(),
          authority: account?.active === true && mayAccept(account.built_in, risk.level) && !own,
          otherDigest: risk.accepted_digest !== row.digest,
          closed: risk.closed_at !== null,
        },
        now,
      );
      if (reason !== undefined) return fails(reason);
    }
    return { ...PASS, reason: 'risks_accepted' };
  }

  /** What a person said passes while they may still say it. */
  async #manual(looking: Looking, rule: GateRule): Promise<Judged> {
    const { tx, row } = looking;
    const judged = await recorded(looking, rule);
    if (judged.verdict !== 'pass') return judged;
    const said = await resultOf(looking, rule);
    const userId = said?.recorded_by.replace(/^user:/, '');
    // What does not say who said it was said by nobody.
    if (!isId(userId)) return { verdict: 'inconclusive', reason: 'no_longer_theirs' };
    const { accounts, personOf } = await this.standing.among(tx, row.org_id, [...authorsOf(row), userId]);
    const account = accounts.get(userId);
    const able =
      account !== undefined &&
      maySign(account) &&
      (rule.role === undefined || account.role_name === rule.role) &&
      !authorsOf(row).map(personOf).includes(personOf(userId));
    return able ? judged : { verdict: 'inconclusive', reason: 'no_longer_theirs' };
  }

  async #posture(tx: OrgTx, { row, now }: Looking): Promise<Judged> {
    const targets = await findTargets(
      tx,
      row.org_id,
      row.plan.targets.map(({ id }) => id),
    );
    const surfaces = targets.flatMap(({ surface_id: id }) => id ?? []);
    // Of a target without a surface nothing is projected, so nobody knows that it is ready.
    if (surfaces.length < row.plan.targets.length) return { verdict: 'inconclusive', reason: 'no_surface' };
    let until = Infinity;
    for (const id of surfaces) {
      const posture = await this.postures.of(tx, id);
      if (!posture) return { verdict: 'inconclusive', reason: 'posture_unknown' };
      if (posture.verdict !== 'ready') return fails('posture_not_ready');
      if (posture.validUntil.getTime() <= now) return { verdict: 'stale', reason: 'posture_stale' };
      until = Math.min(until, posture.validUntil.getTime());
    }
    return { verdict: 'pass', reason: 'posture_ready', until: new Date(until).toISOString() };
  }
}

async function signOff({ row, stand }: Looking): Promise<Judged> {
  const { rules } = row.plan.policy;
  const quorum = isIrreversible(row.plan) ? rules.irreversibleQuorum : rules.quorum;
  if (stand.denied) return fails('denied');
  return stand.isMet(quorum, 'change', row.digest)
    ? { verdict: 'pass', reason: 'quorum_met' }
    : fails('quorum_not_met');
}

async function freeze({ tx, row, stand, now }: Looking): Promise<Judged> {
  // A clock that is wrong knows nothing of calendars.
  if (await isClockWrong(tx, new Date(now))) return { verdict: 'inconclusive', reason: 'clock_skew' };
  const plan = { rolloutId: row.id, digest: row.digest, now: new Date(now) };
  const exceptions = await readExceptions(tx, row.org_id, plan);
  for (const one of await readFreezes(tx, row.org_id)) {
    if (!concerns(one, row) || !inForce(one, now).active) continue;
    const excepted = exceptions.some(
      (exception) =>
        exception.freeze_id === one.id &&
        stand.isMet(row.plan.policy.rules.freezeQuorum, 'freeze', signedAs(exception)),
    );
    if (!excepted) return fails('frozen');
  }
  return { ...PASS, reason: 'no_freeze' };
}

/** Empty lists are everything. */
function concerns({ target_ids: ids, environments, effects }: FreezeRow, { plan }: PlannedRow): boolean {
  const steps = [...plan.steps, ...plan.recovery.steps];
  return (
    (ids.length === 0 || plan.targets.some(({ id }) => ids.includes(id))) &&
    (environments.length === 0 || environments.includes(plan.environment)) &&
    (effects.length === 0 || steps.some(({ effect }) => effects.includes(effect)))
  );
}

const backup = (looking: Looking): Promise<Judged> =>
  evidence(looking, BACKUP, looking.row.digest, looking.row.plan.policy.rules.backupSeconds);

async function confirmation({ row }: Looking): Promise<Judged> {
  return row.confirmed_digest === row.digest
    ? { verdict: 'pass', reason: 'confirmed' }
    : { verdict: 'inconclusive', reason: 'not_confirmed' };
}

/** The newest of its kind decides: evidence that failed is not outweighed by an older one that passed. */
async function evidence(
  { tx, row, now }: Looking,
  predicateType: string,
  digest: string,
  maxAgeSeconds: number,
): Promise<Judged> {
  if (isGiteas(predicateType)) return giteas({ tx, row, now }, predicateType, maxAgeSeconds);
  const [newest] = await evidenceOf(tx, row.org_id, [hexOf(digest)], predicateType, 1);
  // Nobody knows what the holder of the key would have said instead; an older pass is no answer to that.
  if (newest && newest.key_revoked_at !== null) return { verdict: 'inconclusive', reason: 'key_revoked' };
  return judge(newest && observed(newest), now, maxAgeSeconds * 1000);
}

/** What Gitea says of the commit that the plan is of. */
async function giteas(
  { tx, row, now }: Pick<Looking, 'tx' | 'row' | 'now'>,
  predicateType: string,
  maxAgeSeconds: number,
): Promise<Judged> {
  const { source } = row.plan;
  if (!source) return { verdict: 'inconclusive', reason: 'no_source' };
  const facts = await newestFacts(tx, row.org_id, commitSubject(source), predicateType);
  const said = facts.map((one) => ({
    result: one.result,
    observedAt: one.observed_at.getTime(),
    keyRevoked: one.key_revoked_at !== null,
  }));
  return judgeFacts(predicateType, said, now, maxAgeSeconds * 1000);
}

/** Whether the commit is still there. What has begun is kept back only by Gitea saying that it is gone. */
async function commit({ tx, row, now }: Looking): Promise<Judged> {
  if (row.source_gone_at !== null) return fails('source_gone');
  if (row.plan.source === undefined || row.begun_at !== null) return { ...PASS, reason: 'source_begun' };
  const { verdict, reason, until } = await standingOfSource(tx, row.org_id, row.plan.source, now);
  return { verdict, reason, ...(until && { until: until.toISOString() }) };
}

const observed = ({ result, observed_at: at, expires_at: expires }: EvidenceRow) => ({
  verdict: result,
  observedAt: at.getTime(),
  expiresAt: expires?.getTime(),
});

async function recorded(looking: Looking, rule: GateRule): Promise<Judged> {
  const { tx, row, now } = looking;
  const found = await resultOf(looking, rule);
  if (found?.source === 'external') {
    const hook = found.hook_id ?? '';
    const revoked = await revokedHooks(tx, row.org_id, [hook]);
    if (hook !== rule.hookId || revoked.length > 0)
      return { verdict: 'inconclusive', reason: 'hook_revoked' };
  }
  return judge(
    found && { verdict: found.verdict, observedAt: found.observed_at.getTime(), expiresAt: undefined },
    now,
    rule.maxAgeSeconds * 1000,
  );
}

/** The newest that was recorded for this gate and this very plan. */
async function resultOf({ tx, row }: Looking, { name, kind }: GateRule): Promise<ResultRow | undefined> {
  const results = await latestResults(tx, row.org_id, row.id, row.digest);
  return results.find(({ gate, source }) => gate === name && source === kind);
}
