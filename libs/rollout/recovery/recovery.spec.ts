import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StepRow } from '../apply/step.store.ts';
import { holdingsOf, recoveryUnits, touchedOf } from '../apply/waves.ts';
import type { Plan, PlannedStep } from '../lifecycle/plan.ts';
import type { State } from '../lifecycle/state.ts';
import { advise } from './recommend.ts';
import { rollbackQuorum, STOPPED_MS } from './rollback-quorum.ts';

const step = (name: string, change: Partial<PlannedStep> = {}): PlannedStep => ({
  name,
  command: 'http.put',
  version: '1',
  arguments: {},
  effect: 'host_change',
  idempotent: true,
  irreversible: false,
  ...change,
});
const people = (count: number) => ({ anyOf: [{ allOf: [{ count }] }] });
const look = step('look', { effect: 'none' });
/** Two waves: a and b with a check (units 0 to 4), c with one (units 5 to 7). Each target takes two steps. */
const plan: Plan = {
  environment: 'test',
  targets: ['a', 'b', 'c'].map((id) => ({ id, state: 's', version: null })),
  steps: [step('put'), step('post', { idempotent: false })],
  artifacts: [],
  secrets: [],
  waves: [
    { targets: ['a', 'b'], bakeSeconds: 0, checks: [look], failureLimit: 0 },
    { targets: ['c'], bakeSeconds: 0, checks: [look], failureLimit: 0 },
  ],
  recovery: {
    kind: 'rollback',
    steps: [step('post'), step('put', { idempotent: false })],
    windowSeconds: 600,
  },
  policy: {
    id: 'p',
    rules: {
      quorum: people(3),
      irreversibleQuorum: people(4),
      rollbackQuorum: people(1),
      freezeQuorum: people(1),
      consensus: false,
      denials: 1,
      separate: [],
      gates: [],
      reviewSeconds: 60,
      approvalSeconds: 60,
      backupSeconds: 60,
      breakGlassSeconds: 60,
    },
  },
};

/** The first units of a phase as they ended: `s`ucceeded, `f`ailed, `u`nknown, `i`ntended, `-` not begun. */
function journal(states: string, phase: 'apply' | 'recovery' = 'apply'): StepRow[] {
  const names = { s: 'succeeded', f: 'failed', u: 'unknown', i: 'intended' } as const;
  const targets = ['a', 'a', 'b', 'b', null, 'c', 'c', null];
  const way = recoveryUnits(plan).map((unit) => (unit.kind === 'step' ? unit.target : null));
  return [...states].flatMap((letter, unit) =>
    letter === '-'
      ? []
      : [
          {
            phase,
            unit,
            wave: phase === 'apply' && unit > 4 ? 1 : 0,
            target_id: (phase === 'apply' ? targets : way)[unit] ?? null,
            // The name of a step says nothing: others have it too.
            name: 'put',
            state: names[letter as keyof typeof names],
          } as StepRow,
        ],
  );
}
const advice = (rows: StepRow[], state: State = 'failed_needs_operator', of = plan) => {
  const { recommendation, reason, narrowest } = advise(of, rows, state);
  return [recommendation, reason, narrowest.join('')];
};

describe('what is advised', () => {
  it('is chosen from what the journal says, with the narrowest boundary', () => {
    expect(advice(journal('su'))).toEqual(['answer', 'nobody_knows_whether_it_happened', 'a']);
    expect(advice(journal('ssf'))).toEqual(['rerun', 'the_step_may_be_repeated', 'b']);
    // The target before it is whole, and may stay.
    expect(advice(journal('sssf'))).toEqual(['rollback', 'the_step_is_not_repeated', 'b']);
    expect(advice(journal('ssssf'))).toEqual(['rollback', 'what_was_done_does_not_pass_its_check', 'ab']);
    // The first wave passed its check, and may stay.
    expect(advice(journal('sssssssf'))).toEqual(['rollback', 'what_was_done_does_not_pass_its_check', 'c']);
    expect(advice(journal('ssss'))).toEqual(['rollback', 'the_step_is_not_repeated', 'ab']);
    expect(advice([])).toEqual(['rerun', 'nothing_was_done', '']);
    expect(advice(journal('ssf'), 'executing')).toEqual(['none', 'nothing_stands_still', 'b']);
  });

  it('is a repair where there is no way back', () => {
    const oneWay: Plan = { ...plan, recovery: { kind: 'irreversible', steps: [], windowSeconds: 0 } };
    const last = (rows: StepRow[]) => advice(rows, 'suspended', oneWay).slice(0, 2);
    expect(last(journal('sssf'))).toEqual(['repair', 'there_is_no_way_back']);
    expect(last(journal('ssssf'))).toEqual(['repair', 'there_is_no_way_back']);
  });

  it('is of the way back once that has begun, by its own steps', () => {
    const applied = journal('ssssf');
    // The first step of the way back may be repeated, the second may not, whatever steps of the plan are called.
    expect(advice([...applied, ...journal('--f', 'recovery')])[0]).toBe('rerun');
    expect(advice([...applied, ...journal('--sf', 'recovery')])[0]).toBe('rollback');
    expect(advice([...applied, ...journal('--ss', 'recovery')])).toEqual([
      'rollback',
      'the_step_is_not_repeated',
      'a',
    ]);
  });
});

describe('what a target holds', () => {
  it('is said by the way back, once that was begun on it', () => {
    expect(holdingsOf(plan, journal('sssf'))).toEqual({ done: ['a'], partial: ['b'], untouched: ['c'] });
    const back = [...journal('sssf'), ...journal('--ss', 'recovery')];
    expect(holdingsOf(plan, back)).toEqual({ done: ['a'], partial: [], untouched: ['c', 'b'] });
    const stuck = [...journal('ssss'), ...journal('--ssf', 'recovery')];
    expect(holdingsOf(plan, stuck)).toEqual({ done: [], partial: ['a'], untouched: ['c', 'b'] });
  });

  it('names every target once, whatever was done', () => {
    const some = fc.array(fc.constantFrom('s', 'f', 'u', 'i', '-'), { maxLength: 8 });
    fc.assert(
      fc.property(some, some, (there, back) => {
        const rows = [...journal(there.join('')), ...journal(back.slice(0, 6).join(''), 'recovery')];
        const { done, partial, untouched } = holdingsOf(plan, rows);
        expect([...done, ...partial, ...untouched].sort()).toEqual(['a', 'b', 'c']);
        for (const id of done) expect(touchedOf(plan, rows)).toContain(id);
      }),
    );
  });
});

describe('who signs a rollback', () => {
  const now = new Date('2026-11-22T12:00:00Z');
  const ago = (ms: number): Date => new Date(now.getTime() - ms);
  const signs = (state: State, since: Date | undefined, of = plan): number | undefined =>
    rollbackQuorum(
      { state, plan: of, completed_at: state === 'completed' ? (since ?? null) : null },
      since,
      now,
    )?.anyOf[0]?.allOf[0]?.count;
  const windowed = (windowSeconds: number, change: Partial<PlannedStep> = {}): Plan => ({
    ...plan,
    recovery: { ...plan.recovery, windowSeconds, steps: [step('back', change)] },
  });

  it('is the smaller quorum to the last moment of the window after completion, and everybody after it', () => {
    expect(signs('completed', ago(0))).toBe(1);
    expect(signs('completed', ago(599_999))).toBe(1);
    expect(signs('completed', ago(600_000))).toBe(3);
    expect(signs('completed', undefined)).toBe(3);
    expect(signs('completed', ago(0), windowed(0))).toBe(3);
  });

  it('is nobody while it is half done, for a day or the longer window, and everybody after that', () => {
    for (const state of ['failed_needs_operator', 'suspended', 'verifying'] as const) {
      expect(signs(state, ago(STOPPED_MS - 1))).toBeUndefined();
      expect(signs(state, ago(STOPPED_MS))).toBe(3);
      expect(signs(state, ago(STOPPED_MS), windowed(2 * 86_400))).toBeUndefined();
      expect(signs(state, undefined)).toBe(3);
    }
    expect(signs('executing', ago(10 * STOPPED_MS))).toBeUndefined();
  });

  it('is never the smaller quorum where the way back is irreversible', () => {
    expect(signs('completed', ago(0), windowed(600, { irreversible: true }))).toBe(4);
    expect(signs('failed_needs_operator', ago(STOPPED_MS), windowed(600, { irreversible: true }))).toBe(4);
  });
});
