import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ended, type Fact, gated, move, type MoveName, moves, type State, states } from './state.ts';

const names = Object.keys(moves) as MoveName[];
const allFacts = [...new Set(names.flatMap((name) => moves[name].needs))];

/** What a rollout has been through, as the gates it passed. */
interface Past {
  state: State;
  signed: boolean;
  glass: boolean;
  gated: boolean;
  compared: boolean;
  ran: boolean;
}

const tries = fc.array(fc.tuple(fc.constantFrom(...names), fc.subarray(allFacts)), { maxLength: 60 });

/** Plays tries from the draft on; facts that contradict each other never stand together. */
function play(steps: readonly (readonly [MoveName, readonly Fact[]])[], seen: (past: Past) => void): void {
  const past: Past = {
    state: 'draft',
    signed: false,
    glass: false,
    gated: false,
    compared: false,
    ran: false,
  };
  for (const [name, chosen] of steps) {
    const facts = new Set(chosen);
    facts.delete(past.ran ? 'not_begun' : 'begun');
    facts.add(past.ran ? 'begun' : 'not_begun');
    const outcome = move(past.state, name, facts);
    if (!('to' in outcome)) continue;
    past.state = outcome.to;
    if (name === 'plan') Object.assign(past, { signed: false, gated: false, compared: false });
    past.signed ||= facts.has('quorum_met') && ['approve', 'execute'].includes(name);
    past.gated ||= name === 'arm';
    past.compared ||= name === 'execute' || name === 'break_glass';
    past.glass ||= name === 'break_glass';
    past.ran ||= outcome.to === 'executing';
    seen(past);
  }
}

describe('the states of a rollout', () => {
  it('know no path to executing without sign-off, gates and comparison, or an open break-glass', () => {
    const reached = new Set<State>();
    fc.assert(
      fc.property(tries, (steps) => {
        play(steps, (past) => {
          reached.add(past.state);
          if (past.ran) {
            expect(past.compared).toBe(true);
            expect(past.glass || (past.signed && past.gated)).toBe(true);
          }
        });
      }),
      { numRuns: 20_000 },
    );
    // A walk that goes nowhere would prove nothing.
    expect(reached.has('executing')).toBe(true);
  });

  it('are completed, verified or rolled back only after something ran', () => {
    fc.assert(
      fc.property(tries, (steps) => {
        play(steps, ({ state, ran }) => {
          if (
            ['completed', 'verifying', 'rolling_back', 'rolled_back', 'failed_needs_operator'].includes(state)
          )
            expect(ran).toBe(true);
        });
      }),
      { numRuns: 5_000 },
    );
  });

  it('that ended lead nowhere', () => {
    const facts = new Set(allFacts);
    for (const state of ended)
      for (const name of names) expect(move(state, name, facts)).toEqual({ refused: 'state' });
  });

  it('need every fact that a move asks for', () => {
    for (const name of names) {
      const { from, needs, to } = moves[name];
      for (const state of from) {
        expect(move(state, name, new Set(needs))).toEqual({ to });
        for (const fact of needs) {
          const rest = new Set(needs.filter((one) => one !== fact));
          expect(move(state, name, rest)).toEqual({ refused: 'fact', missing: [fact] });
        }
      }
    }
  });

  it('can all be reached', () => {
    const open = new Set<State>(['draft']);
    for (let grew = true; grew;) {
      const before = open.size;
      for (const name of names) {
        const { from, to } = moves[name];
        if (from.some((state) => open.has(state))) open.add(to);
      }
      grew = open.size > before;
    }
    expect([...open].sort()).toEqual([...states].sort());
  });

  it('are never planned anew once something ran', () => {
    expect(move('suspended', 'plan', new Set<Fact>(['plan_sealed', 'begun']))).toEqual({
      refused: 'fact',
      missing: ['not_begun'],
    });
  });

  it('are connected by these moves and no other, each with what must be true', () => {
    const drawn = names
      .flatMap((name) => {
        const { from, to, needs } = moves[name];
        return from.map((state) => `${state} -> ${to}: ${[...needs].sort().join(', ')}`);
      })
      .sort();
    expect(drawn).toEqual(
      [
        ...['draft', 'planned', 'in_review', 'approved', 'armed', 'suspended'].flatMap((state) => [
          `${state} -> planned: not_begun, plan_sealed`,
          `${state} -> withdrawn: not_begun`,
          `${state} -> superseded: not_begun`,
        ]),
        'planned -> in_review: not_begun, plan_sealed',
        'in_review -> approved: plan_sealed, quorum_met',
        ...['in_review', 'approved', 'armed'].flatMap((state) => [
          `${state} -> rejected: denied, not_begun`,
          `${state} -> expired: not_begun`,
        ]),
        'approved -> armed: gates_pass, plan_sealed, quorum_met, unchanged',
        'armed -> executing: gates_pass, plan_sealed, quorum_met, targets_locked, unchanged',
        ...['planned', 'in_review', 'approved', 'armed'].map(
          (state) => `${state} -> executing: break_glass, plan_sealed, targets_locked, unchanged`,
        ),
        'approved -> suspended: not_begun',
        'armed -> suspended: not_begun',
        'executing -> suspended: begun',
        'suspended -> executing: begun, gates_pass, quorum_met',
        'suspended -> executing: begun, break_glass',
        'executing -> verifying: begun, steps_done',
        'verifying -> completed: verified',
        ...['executing', 'suspended', 'verifying', 'rolling_back'].map(
          (state) => `${state} -> failed_needs_operator: begun`,
        ),
        'failed_needs_operator -> executing: begun, gates_pass, operator_answered, quorum_met',
        'failed_needs_operator -> executing: begun, break_glass, operator_answered',
        ...['executing', 'suspended', 'verifying', 'completed', 'failed_needs_operator'].map(
          (state) => `${state} -> rolling_back: begun, recovery_known`,
        ),
        'failed_needs_operator -> superseded: begun, operator_answered',
        'rolling_back -> rolled_back: recovery_done',
      ].sort(),
    );
  });

  it('ask their gates again wherever they may still be carried out', () => {
    const asking = names.filter((name) => moves[name].to === 'executing' || moves[name].to === 'armed');
    const from = new Set<State>(asking.flatMap((name) => [...moves[name].from]));
    for (const state of [...from, 'executing'] as State[]) expect(gated).toContain(state);
    for (const state of [...ended, 'draft', 'completed'] as State[]) expect(gated).not.toContain(state);
  });
});
