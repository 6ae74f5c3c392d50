import { Injectable } from '@nestjs/common';
import { Audit, type AuditNote, bySystem } from '#audit';
import { type Caller, Clock } from '#kernel';
import { RolloutFault } from '../rollout.faults.ts';
import {
  type AnyTx,
  insertMove,
  isPlanned,
  type PlannedRow,
  type RolloutRow,
  storeState,
} from './rollout.store.ts';
import { type Fact, move, type MoveName, type State } from './state.ts';

/** Who acts: a caller, or the product itself where no request led there. */
export type By = Caller | { readonly system: 'rollout'; readonly orgId: string };

interface Made {
  readonly reason?: string | undefined;
  /** When the new state ends by itself. */
  readonly expiresAt?: Date | undefined;
}

/** Every change of a rollout's state goes through here: the rule, the row, its history and the record, or nothing. */
@Injectable()
export class Moves {
  constructor(
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes a move in the caller's transaction, which holds the row. Answers the row as it is now. Faults:
   * `rollout.wrong_state`, `rollout.not_ready`.
   */
  async make(
    tx: AnyTx,
    by: By,
    row: RolloutRow,
    name: MoveName,
    facts: Iterable<Fact>,
    made: Made = {},
  ): Promise<RolloutRow> {
    const to = nextState(row, name, facts);
    const actor = 'kind' in by ? { type: by.kind, id: by.id } : { type: 'system', id: by.system };
    await storeState(tx, row, to, { reason: made.reason, expiresAt: made.expiresAt });
    await insertMove(tx, row, { move: name, to, reason: made.reason, actor, at: this.clock.now() });
    await this.note(tx, by, {
      action: 'rollout.moved',
      target: { type: 'rollout', id: row.id },
      ...(made.reason !== undefined && { reason: made.reason }),
      changes: {
        state: { from: row.state, to },
        move: { to: name },
        ...(row.digest !== null && { digest: { to: row.digest } }),
      },
    });
    return { ...row, state: to, reason: made.reason ?? null, expires_at: made.expiresAt ?? null };
  }

  async note(tx: AnyTx, by: By, note: AuditNote): Promise<void> {
    if ('kind' in by) return this.audit.append(tx, by, note);
    await this.audit.record(tx, { ...bySystem('rollout'), outcome: 'success', ...note, orgId: by.orgId });
  }
}

/** Where the move leads; a fault where it leads nowhere. */
export function nextState(row: RolloutRow, name: MoveName, facts: Iterable<Fact>): State {
  const known = new Set(facts);
  if (isPlanned(row)) known.add('plan_sealed');
  known.add(row.begun_at === null ? 'not_begun' : 'begun');
  const outcome = move(row.state, name, known);
  if ('to' in outcome) return outcome.to;
  if (outcome.refused === 'state') throw RolloutFault.wrong_state({ data: { state: row.state, move: name } });
  throw RolloutFault.not_ready({ data: { missing: outcome.missing } });
}

/** The rollout with its plan; a fault before it has one. */
export function planned(row: RolloutRow): PlannedRow {
  if (!isPlanned(row)) throw RolloutFault.not_ready({ data: { missing: ['plan_sealed'] } });
  return row;
}

/** The rollout of a look-up; fault `rollout.not_found` where there is none. */
export async function found(row: Promise<RolloutRow | undefined>): Promise<RolloutRow> {
  const one = await row;
  if (!one) throw RolloutFault.not_found();
  return one;
}
