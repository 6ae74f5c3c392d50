/**
 * Everything in the database that the master key wraps, so that a rotation forgets nothing: a specification looks
 * for columns of wrapped values that stand in neither list.
 */

/** What is wrapped anew. `context` is the SQL of what the wrapping authenticates, which also names the row. */
export interface WrappedColumn {
  readonly table: string;
  readonly column: string;
  readonly context: string;
  /** How the answer and the record of a rotation count it. */
  readonly counted: 'orgKeys' | 'signingKeys' | 'keyPeppers' | 'auditKeys' | 'factors' | 'rollouts';
}

export const wrappedColumns: readonly WrappedColumn[] = [
  {
    table: 'org_keys',
    column: 'wrapped_key',
    context: `'org_key:' || org_id || ':' || id`,
    counted: 'orgKeys',
  },
  {
    table: 'signing_keys',
    column: 'wrapped_private',
    context: `'signing_key:' || kid`,
    counted: 'signingKeys',
  },
  { table: 'factors', column: 'wrapped_secret', context: `'totp:' || id`, counted: 'factors' },
  { table: 'key_peppers', column: 'wrapped_pepper', context: `'key_pepper:' || id`, counted: 'keyPeppers' },
  {
    table: 'audit_keys',
    column: 'wrapped_private',
    context: `'audit_key:' || name || ':' || id`,
    counted: 'auditKeys',
  },
  {
    table: 'evidence_keys',
    column: 'wrapped_private',
    context: `'evidence_key:' || org_id || ':' || id`,
    counted: 'rollouts',
  },
  {
    table: 'rollout_hooks',
    column: 'wrapped_secret',
    context: `'rollout_hook:' || org_id || ':' || id`,
    counted: 'rollouts',
  },
];

/** What ends by itself while the previous key is still at hand, and so is left as it is. */
export const shortLived: Readonly<Record<string, string>> = {
  'idempotency_keys.wrapped_answer': 'kept for a day',
  'refresh_successors.wrapped': 'kept for the seconds in which a lost answer is asked for again',
};
