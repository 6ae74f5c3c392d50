import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundaryOf, unitsOf, waveFaults } from './apply/waves.ts';
import { allPass, blocking, type GateResult, judge, verdicts } from './gates/gate.ts';
import { forbiddenClass, graver } from './lifecycle/classes.ts';
import {
  effects,
  isIrreversible,
  type Plan,
  type PlannedStep,
  recoveryDigest,
  subjectDigest,
} from './lifecycle/plan.ts';
import { isLower, levelOf, levels, mayAccept, riskBlocks } from './risk/risk-level.ts';
import { SKEW_MS } from './lifecycle/clock-skew.ts';

const step: PlannedStep = {
  name: 'restart',
  command: 'noop.record',
  version: '1',
  arguments: { note: 'x', deep: { b: 1, a: [2, 3] } },
  effect: 'none',
  idempotent: true,
  irreversible: false,
};
const one = { anyOf: [{ allOf: [{ count: 1 }] }] };
const plan: Plan = {
  environment: 'production',
  targets: [
    { id: 'a', state: 's1', version: null },
    { id: 'b', state: 's2', version: '1' },
  ],
  steps: [step],
  artifacts: [{ name: 'app', digest: `sha256:${'0'.repeat(64)}` }],
  secrets: [{ path: 'db/password', version: 3, createdAt: '2026-11-22T00:00:00.000Z' }],
  waves: [
    { targets: ['a'], bakeSeconds: 0, checks: [step], failureLimit: 0 },
    { targets: ['b'], bakeSeconds: 0, checks: [], failureLimit: 0 },
  ],
  recovery: { kind: 'rollback', steps: [step], windowSeconds: 0 },
  policy: {
    id: 'p',
    rules: {
      quorum: one,
      irreversibleQuorum: one,
      rollbackQuorum: one,
      freezeQuorum: one,
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

/** Every value within, changed one at a time. */
function* variants(value: unknown): Generator {
  if (Array.isArray(value)) {
    yield [...(value as unknown[]), 'added'];
    for (const [index, item] of value.entries())
      for (const changed of variants(item)) yield (value as unknown[]).with(index, changed);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value))
      for (const changed of variants(item)) yield { ...value, [key]: changed };
  } else if (typeof value === 'number') yield value + 1;
  else if (typeof value === 'boolean') yield !value;
  else yield `${String(value)}?`;
}

describe('the digest of a plan', () => {
  it('is another for every change of anything in it', () => {
    const seen = new Set([subjectDigest('org', plan)]);
    let count = 1;
    for (const changed of variants(plan)) {
      seen.add(subjectDigest('org', changed as Plan));
      count += 1;
    }
    expect(count).toBeGreaterThan(60);
    expect(seen.size).toBe(count);
    expect(seen.has(subjectDigest('other', plan))).toBe(false);
  });

  it('is the same however the same plan is written down', () => {
    const shuffled = Object.fromEntries(Object.entries(plan).toReversed()) as unknown as Plan;
    expect(subjectDigest('org', { ...shuffled, targets: plan.targets.toReversed() })).toBe(
      subjectDigest('org', plan),
    );
  });

  it('of a recovery changes with what it is the way back from', () => {
    const other = { ...plan, steps: [{ ...step, arguments: {} }] };
    expect(recoveryDigest(other)).not.toBe(recoveryDigest(plan));
    expect(recoveryDigest({ ...plan, environment: 'test' })).toBe(recoveryDigest(plan));
  });
});

describe('a plan', () => {
  it('is irreversible where a step of it is, or where there is no way back', () => {
    expect(isIrreversible(plan)).toBe(false);
    expect(isIrreversible({ ...plan, steps: [step, { ...step, irreversible: true }] })).toBe(true);
    const recovery = { kind: 'irreversible', steps: [], windowSeconds: 0 } as const;
    expect(isIrreversible({ ...plan, recovery })).toBe(true);
  });
});

describe('classes of steps', () => {
  it('that are never automated are refused, and destruction that does not say that it is irreversible', () => {
    expect(forbiddenClass({ effect: 'secret_provisioning_from_repository', irreversible: true })).toBe(
      'secret_provisioning',
    );
    expect(forbiddenClass({ effect: 'business_action', irreversible: true })).toBe('business_action');
    expect(forbiddenClass({ effect: 'host_destruction', irreversible: false })).toBe('destruction_unmarked');
    expect(forbiddenClass({ effect: 'host_destruction', irreversible: true })).toBeUndefined();
    expect(forbiddenClass({ effect: 'host_change', irreversible: false })).toBeUndefined();
  });

  it('are never made milder by what an author says', () => {
    const effect = fc.constantFrom(...effects);
    fc.assert(
      fc.property(effect, effect, (known, said) => {
        if (forbiddenClass({ effect: known, irreversible: false }) !== undefined)
          expect(forbiddenClass({ effect: graver(known, said), irreversible: false })).toBeDefined();
      }),
    );
  });
});

describe('gates', () => {
  const result: fc.Arbitrary<GateResult> = fc.record({
    name: fc.string(),
    kind: fc.constant('manual'),
    verdict: fc.constantFrom(...verdicts),
    reason: fc.constant('x'),
    dryRun: fc.boolean(),
  });

  it('are passed only where everything that blocks says pass, and something does', () => {
    fc.assert(
      fc.property(fc.array(result), (results) => {
        const counted = results.filter(({ dryRun }) => !dryRun);
        expect(allPass(results)).toBe(
          counted.length > 0 && counted.every(({ verdict }) => verdict === 'pass'),
        );
        expect(blocking(results).every(({ verdict }) => verdict !== 'pass')).toBe(true);
      }),
    );
    expect(allPass([])).toBe(false);
  });

  it('never get better by waiting, and take nothing from the future', () => {
    const time = fc.integer({ min: 0, max: 1e13 });
    fc.assert(
      fc.property(
        fc.constantFrom(...verdicts),
        time,
        fc.option(time, { nil: undefined }),
        time,
        time,
        time,
        (verdict, observedAt, expiresAt, now, later, maxAge) => {
          const seen = { verdict, observedAt, expiresAt };
          const first = judge(seen, now, maxAge).verdict;
          if (observedAt <= now + SKEW_MS && first !== 'pass')
            expect(judge(seen, now + later, maxAge).verdict).not.toBe('pass');
          if (first === 'pass') {
            expect(verdict).toBe('pass');
            expect(now).toBeLessThan(Math.min(observedAt + maxAge, expiresAt ?? Infinity));
          }
        },
      ),
      { numRuns: 2_000 },
    );
    // It ends at the moment it ends.
    const seen = { verdict: 'pass', observedAt: 0, expiresAt: 50 } as const;
    expect([judge(seen, 49, 100).verdict, judge(seen, 50, 100).verdict]).toEqual(['pass', 'stale']);
    expect([judge(seen, 9, 10).verdict, judge(seen, 10, 10).verdict]).toEqual(['pass', 'stale']);
    expect(judge({ ...seen, observedAt: SKEW_MS }, 0, 100).verdict).toBe('pass');
    expect(judge(undefined, 0, 1).verdict).toBe('inconclusive');
    expect(judge({ verdict: 'pass', observedAt: Number.NaN, expiresAt: undefined }, 0, 1).verdict).toBe(
      'stale',
    );
    expect(judge({ verdict: 'pass', observedAt: 100 + SKEW_MS, expiresAt: undefined }, 99, 1e9)).toEqual({
      verdict: 'stale',
      reason: 'observed_in_the_future',
    });
  });
});

describe('residual risk', () => {
  const grade = fc.integer({ min: 1, max: 5 });

  it('has a level that never falls with likelihood or consequence', () => {
    fc.assert(
      fc.property(grade, grade, (likelihood, consequence) => {
        const rank = (l: number, c: number): number => levels.indexOf(levelOf(l, c));
        if (likelihood < 5)
          expect(rank(likelihood + 1, consequence)).toBeGreaterThanOrEqual(rank(likelihood, consequence));
        if (consequence < 5)
          expect(rank(likelihood, consequence + 1)).toBeGreaterThanOrEqual(rank(likelihood, consequence));
      }),
    );
    // Likelihood downward, consequence to the right.
    const table = [1, 2, 3, 4, 5].map((l) => [1, 2, 3, 4, 5].map((c) => levelOf(l, c)[0]).join(' '));
    expect(table).toEqual(['l l l l m', 'l l m m m', 'l m m h h', 'l m h h c', 'm m h c c']);
    expect([isLower('low', 'moderate'), isLower('high', 'high'), isLower('critical', 'high')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('is accepted by who outranks it, a critical one by nobody', () => {
    expect(
      ['operator', 'admin', 'owner', 'viewer', 'auditor', null].map((role) =>
        levels.filter((level) => mayAccept(role, level)),
      ),
    ).toEqual([['low'], ['low', 'moderate'], ['low', 'moderate', 'high'], [], [], []]);
  });

  it('that is grave keeps a rollout back until it is accepted, for this plan, and for a time', () => {
    const risk = {
      level: 'high',
      treatment: 'accept',
      acceptedUntil: 10,
      authority: true,
      otherDigest: false,
      closed: false,
    } as const;
    expect(riskBlocks(risk, 9)).toBeUndefined();
    expect(riskBlocks(risk, 10)).toBe('acceptance_expired');
    expect(riskBlocks({ ...risk, otherDigest: true }, 9)).toBe('risk_accepted_for_another_plan');
    expect(riskBlocks({ ...risk, authority: false }, 9)).toBe('authority_lost');
    expect(riskBlocks({ ...risk, acceptedUntil: undefined }, 9)).toBe('risk_not_accepted');
    expect(riskBlocks({ ...risk, acceptedUntil: undefined, level: 'moderate' }, 9)).toBe('risk_not_accepted');
    expect(riskBlocks({ ...risk, acceptedUntil: undefined, level: 'low' }, 9)).toBeUndefined();
    expect(riskBlocks({ ...risk, level: 'critical' }, 9)).toBe('critical_risk');
    expect(riskBlocks({ ...risk, level: 'critical', closed: true }, 9)).toBeUndefined();
  });
});

describe('waves', () => {
  it('hold each target once', () => {
    expect(waveFaults(plan.waves, ['a', 'b'])).toEqual([]);
    expect(waveFaults([{ targets: ['a', 'a', 'x'] }], ['a', 'b'])).toEqual([
      'the target b is in no wave',
      'the target a is in more than one wave',
      'x is no target of the plan',
    ]);
  });

  it('are carried out one after the other, with their checks', () => {
    expect(unitsOf(plan).map((unit) => `${unit.kind} ${unit.wave}`)).toEqual(['step 0', 'check 0', 'step 1']);
  });

  it('leave a boundary that names every target once', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            unit: fc.integer({ min: 0, max: 6 }),
            state: fc.constantFrom('succeeded', 'failed', 'intended'),
          }),
        ),
        (journal) => {
          const two = { ...plan, steps: [step, step] };
          const { done, partial, untouched } = boundaryOf(two, journal);
          expect([...done, ...partial, ...untouched].sort()).toEqual(['a', 'b']);
        },
      ),
    );
    expect(boundaryOf(plan, [{ unit: 0, state: 'succeeded' }])).toEqual({
      done: ['a'],
      partial: [],
      untouched: ['b'],
    });
  });
});
