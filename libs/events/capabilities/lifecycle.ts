/** The life of one version of a capability. */
export const capabilityStates = ['proposed', 'admitted', 'active', 'quarantined', 'revoked'] as const;
export type CapabilityState = (typeof capabilityStates)[number];

export const capabilitySteps = ['admit', 'activate', 'deactivate', 'quarantine', 'revoke'] as const;
export type CapabilityStep = (typeof capabilitySteps)[number];

/**
 * Where each step leads from each state. Nothing becomes active but by an admission before it, also after a
 * quarantine; and nothing comes back from revoked. `deactivate` follows from another version's activation.
 */
const steps: Readonly<Record<CapabilityState, Partial<Record<CapabilityStep, CapabilityState>>>> = {
  proposed: { admit: 'admitted', revoke: 'revoked' },
  admitted: { activate: 'active', quarantine: 'quarantined', revoke: 'revoked' },
  active: { deactivate: 'admitted', quarantine: 'quarantined', revoke: 'revoked' },
  quarantined: { admit: 'admitted', revoke: 'revoked' },
  revoked: {},
};

/** The state after a step; undefined where that step is not open. */
export function afterStep(state: CapabilityState, step: CapabilityStep): CapabilityState | undefined {
  return steps[state][step];
}
