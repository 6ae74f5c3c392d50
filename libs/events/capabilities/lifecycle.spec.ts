import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterStep, capabilityStates, type CapabilityState, capabilitySteps } from './lifecycle.ts';

const anySteps = fc.array(fc.constantFrom(...capabilitySteps), { maxLength: 30 });

/** The states that these steps lead through; a step that is not open changes nothing. */
function walk(
  steps: readonly (typeof capabilitySteps)[number][],
): { step: string; state: CapabilityState }[] {
  let state: CapabilityState = 'proposed';
  return steps.map((step) => {
    state = afterStep(state, step) ?? state;
    return { step, state };
  });
}

describe('the life of a capability', () => {
  it('is active only after an admission and an activation, with no quarantine since', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const walked = walk(steps);
        for (const [at, { state }] of walked.entries()) {
          if (state !== 'active') continue;
          const before = steps.slice(0, at + 1);
          const activated = before.lastIndexOf('activate');
          const admitted = before.slice(0, activated).lastIndexOf('admit');
          expect(admitted).toBeGreaterThanOrEqual(0);
          expect(walked.slice(admitted, at + 1).some((one) => one.state === 'quarantined')).toBe(false);
        }
      }),
    );
  });

  it('never comes back from revoked, and can be revoked from everywhere else', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const states = walk(steps).map(({ state }) => state);
        const end = states.indexOf('revoked');
        if (end >= 0) expect(new Set(states.slice(end))).toEqual(new Set(['revoked']));
      }),
    );
    for (const state of capabilityStates) {
      expect(afterStep(state, 'revoke')).toBe(state === 'revoked' ? undefined : 'revoked');
    }
  });

  it('reaches every state', () => {
    const seen = new Set<string>(['proposed']);
    fc.assert(
      fc.property(anySteps, (steps) => {
        for (const { state } of walk(steps)) seen.add(state);
      }),
      { numRuns: 500 },
    );
    expect([...seen].sort()).toEqual([...capabilityStates].sort());
  });

  it('stops whatever may act by one step', () => {
    expect(afterStep('active', 'quarantine')).toBe('quarantined');
    expect(afterStep('admitted', 'quarantine')).toBe('quarantined');
    expect(afterStep('quarantined', 'activate')).toBeUndefined();
  });
});
