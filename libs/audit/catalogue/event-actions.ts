/** Of the catalogue in actions.ts, what is recorded of events and capabilities. */
export const eventActions = {
  'event.retried': {
    description:
      'Somebody had events published once more that a destination had refused, counted in changes.',
    retention: 'administration',
  },
  'capability.proposed': {
    description: 'A version of a capability was proposed by its manifest.',
    retention: 'administration',
  },
  'capability.admission_tried': {
    description: 'Somebody looked whether a capability can be admitted, and admitted nothing.',
    retention: 'access',
  },
  'capability.admitted': {
    description: 'A version of a capability was admitted: it may be activated.',
    retention: 'security',
  },
  'capability.activated': {
    description: 'A version of a capability became the active one; what is bound to it may act.',
    retention: 'security',
  },
  'capability.deactivated': {
    description: 'A version of a capability is no longer active, for another one is.',
    retention: 'security',
  },
  'capability.quarantined': {
    description: 'A version of a capability was quarantined: what is bound to it stopped at once.',
    retention: 'security',
  },
  'capability.revoked': {
    description: 'A version of a capability was revoked for ever.',
    retention: 'security',
  },
} as const;
