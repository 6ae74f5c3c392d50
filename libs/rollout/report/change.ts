import type { OrgTx } from '#database';
import { readSteps, type StepRow } from '../apply/step.store.ts';
import { type GlassRow, glassesOf } from '../breakglass/break-glass.store.ts';
import { type EvidenceRow, readEvidence } from '../evidence/evidence.store.ts';
import { latestResults, type ResultRow } from '../gates/gate.store.ts';
import { authorsOf, boundTo, type MoveRow, readMoves, type RolloutRow } from '../lifecycle/rollout.store.ts';
import { type RiskRow, risksOf } from '../risk/risk.store.ts';
import { type Stand, subjectsOf } from '../signoff/standing.ts';
import { commitSubject } from '../sources/facts.ts';
import { findTargets, type TargetRow } from '../targets/target.store.ts';
import { type AccountRow, readAccounts } from './report.store.ts';

/** All that is on record of one rollout. */
export interface Change {
  readonly row: RolloutRow;
  readonly stand: Stand;
  readonly targets: readonly TargetRow[];
  readonly evidence: readonly EvidenceRow[];
  readonly answers: readonly ResultRow[];
  readonly risks: readonly RiskRow[];
  readonly steps: readonly StepRow[];
  readonly glasses: readonly GlassRow[];
  readonly moves: readonly MoveRow[];
  /** Everybody who had a part in it and is a member still. */
  readonly accounts: readonly AccountRow[];
}

export async function readChange(tx: OrgTx, row: RolloutRow, stand: Stand): Promise<Change> {
  const { orgId } = tx;
  const planned = row.plan?.targets.map(({ id }) => id) ?? [];
  const found = {
    row,
    stand,
    targets: await findTargets(tx, orgId, planned),
    evidence: await evidenceOf(tx, row),
    answers: row.digest === null ? [] : await latestResults(tx, orgId, row.id, row.digest),
    risks: await risksOf(tx, orgId, row.id),
    steps: await readSteps(tx, orgId, row.id),
    glasses: await glassesOf(tx, orgId, row.id),
    moves: await readMoves(tx, row.id, 1_000),
  };
  const ids = [...new Set(partsOf(found).map(([id]) => id))];
  return { ...found, accounts: await readAccounts(tx, ids) };
}

async function evidenceOf(tx: OrgTx, row: RolloutRow): Promise<EvidenceRow[]> {
  const source = boundTo(row);
  const rows: EvidenceRow[] = [];
  for (const subject of [...subjectsOf(row), ...(source ? [commitSubject(source)] : [])])
    rows.push(...(await readEvidence(tx, { limit: 100, before: undefined, subject })));
  // One statement may be of both, the plan and its way back.
  return [...new Map(rows.map((one) => [one.id, one])).values()];
}

/** Who had which part in it; once for each time. */
export function partsOf(change: Omit<Change, 'accounts'>): [userId: string, part: string][] {
  const { row, stand, evidence, answers, risks, glasses, moves } = change;
  const parts: [string | null, string][] = [
    ...authorsOf(row).map((id): [string, string] => [id, 'author']),
    ...evidence.map((one): [string | null, string] => [one.producer_id ?? one.owner_id, 'evidence producer']),
    ...stand.signOffs.map((one): [string, string] => [
      one.user_id,
      one.decision === 'approve' ? 'approver' : 'denier',
    ]),
    ...answers
      // What a command or a hook said, nobody did.
      .filter(({ recorded_by: by }) => by.startsWith('user:'))
      .map((one): [string, string] => [one.recorded_by.slice('user:'.length), `answered gate ${one.gate}`]),
    ...risks.flatMap((one): [string | null, string][] => [
      [one.raised_by, 'raised a risk'],
      [one.accepted_by, 'accepted a risk'],
    ]),
    [row.executor_id, 'executor'],
    [row.verifier_id, 'verifier'],
    ...glasses.flatMap((one): [string | null, string][] => [
      [one.opened_by, 'broke the glass'],
      [one.reviewed_by, 'reviewed the break-glass'],
    ]),
    ...moves
      .filter((one) => one.actor_type === 'user' && one.move === 'roll_back')
      .map((one): [string, string] => [one.actor_id, 'ordered the rollback']),
    // Who only moved it on has a name in the history, and no duty.
    ...moves.filter((one) => one.actor_type === 'user').map((one): [string, string] => [one.actor_id, '']),
  ];
  return parts.filter((one): one is [string, string] => one[0] !== null);
}
