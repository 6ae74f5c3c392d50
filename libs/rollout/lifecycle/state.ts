/** The states of a rollout and the moves between them, as one table; see docs/rollouts.md for what each means. */

export const states = [
  'draft',
  'planned',
  'in_review',
  'approved',
  'armed',
  'executing',
  'verifying',
  'completed',
  'rejected',
  'withdrawn',
  'expired',
  'superseded',
  'suspended',
  'rolling_back',
  'rolled_back',
  'failed_needs_operator',
] as const;
export type State = (typeof states)[number];

/** What must be true at the moment of a move. The use case proves each from what the database says then. */
export type Fact =
  /** The plan has a digest and nothing of it is open. */
  | 'plan_sealed'
  /** Enough distinct, eligible people signed this very digest. */
  | 'quorum_met'
  /** Every gate that blocks says pass. */
  | 'gates_pass'
  /** The targets were read again and the digest computed again: it is the one that was signed. */
  | 'unchanged'
  /** No other rollout holds any of the targets. */
  | 'targets_locked'
  /** A break-glass is open for it, and none of its steps is irreversible. */
  | 'break_glass'
  | 'denied'
  /** A first step was handed out, at any time. */
  | 'begun'
  | 'not_begun'
  | 'steps_done'
  | 'verified'
  | 'recovery_known'
  | 'recovery_done'
  | 'operator_answered';

interface Move {
  readonly from: readonly State[];
  readonly to: State;
  readonly needs: readonly Fact[];
}

/** Before anything was done to a target. */
const BEFORE = ['draft', 'planned', 'in_review', 'approved', 'armed'] as const;

const table = {
  plan: { from: [...BEFORE, 'suspended'], to: 'planned', needs: ['plan_sealed', 'not_begun'] },
  open_review: { from: ['planned'], to: 'in_review', needs: ['plan_sealed', 'not_begun'] },
  approve: { from: ['in_review'], to: 'approved', needs: ['plan_sealed', 'quorum_met'] },
  reject: { from: ['in_review', 'approved', 'armed'], to: 'rejected', needs: ['denied', 'not_begun'] },
  withdraw: { from: [...BEFORE, 'suspended'], to: 'withdrawn', needs: ['not_begun'] },
  expire: { from: ['in_review', 'approved', 'armed'], to: 'expired', needs: ['not_begun'] },
  supersede: { from: [...BEFORE, 'suspended'], to: 'superseded', needs: ['not_begun'] },
  arm: { from: ['approved'], to: 'armed', needs: ['plan_sealed', 'quorum_met', 'gates_pass', 'unchanged'] },
  execute: {
    from: ['armed'],
    to: 'executing',
    needs: ['plan_sealed', 'quorum_met', 'gates_pass', 'unchanged', 'targets_locked'],
  },
  break_glass: {
    from: ['planned', 'in_review', 'approved', 'armed'],
    to: 'executing',
    needs: ['plan_sealed', 'break_glass', 'unchanged', 'targets_locked'],
  },
  /** What was signed holds no longer: a person lost the role, a target is not what it was. */
  suspend: { from: ['approved', 'armed'], to: 'suspended', needs: ['not_begun'] },
  pause: { from: ['executing'], to: 'suspended', needs: ['begun'] },
  resume: { from: ['suspended'], to: 'executing', needs: ['begun', 'quorum_met', 'gates_pass'] },
  resume_break_glass: { from: ['suspended'], to: 'executing', needs: ['begun', 'break_glass'] },
  finish_steps: { from: ['executing'], to: 'verifying', needs: ['begun', 'steps_done'] },
  verify: { from: ['verifying'], to: 'completed', needs: ['verified'] },
  stop: {
    from: ['executing', 'suspended', 'verifying', 'rolling_back'],
    to: 'failed_needs_operator',
    needs: ['begun'],
  },
  repair: {
    from: ['failed_needs_operator'],
    to: 'executing',
    needs: ['begun', 'operator_answered', 'quorum_met', 'gates_pass'],
  },
  repair_break_glass: {
    from: ['failed_needs_operator'],
    to: 'executing',
    needs: ['begun', 'operator_answered', 'break_glass'],
  },
  roll_back: {
    from: ['executing', 'suspended', 'verifying', 'completed', 'failed_needs_operator'],
    to: 'rolling_back',
    needs: ['begun', 'recovery_known'],
  },
  /** Neither repaired nor rolled back: a person says so. */
  close: { from: ['failed_needs_operator'], to: 'superseded', needs: ['begun', 'operator_answered'] },
  finish_rollback: { from: ['rolling_back'], to: 'rolled_back', needs: ['recovery_done'] },
} as const satisfies Record<string, Move>;

export type MoveName = keyof typeof table;

export const moves: Readonly<Record<MoveName, Move>> = table;

/** Nothing leads out of these. */
export const ended: readonly State[] = ['rejected', 'withdrawn', 'expired', 'superseded', 'rolled_back'];

/** From these something leads on that asks the gates. */
export const gated: readonly State[] = [
  'planned',
  'in_review',
  'approved',
  'armed',
  'suspended',
  'executing',
  'failed_needs_operator',
];

export type Outcome =
  | { readonly to: State }
  | { readonly refused: 'state' }
  | { readonly refused: 'fact'; readonly missing: readonly Fact[] };

/** Where a move leads from a state, given what is true; or why it leads nowhere. */
export function move(state: State, name: MoveName, facts: ReadonlySet<Fact>): Outcome {
  const { from, to, needs } = moves[name];
  if (!from.includes(state)) return { refused: 'state' };
  const missing = needs.filter((fact) => !facts.has(fact));
  return missing.length > 0 ? { refused: 'fact', missing } : { to };
}
