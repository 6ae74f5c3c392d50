import { forbiddenClass } from '../lifecycle/classes.ts';
import { subjectDigest } from '../lifecycle/plan.ts';
import type { PlannedRow } from '../lifecycle/rollout.store.ts';
import type { Unit } from './waves.ts';

/**
 * Why a unit is not run, whoever ordered it and by whatever path: the plan is not the one whose digest was signed, or
 * the step is of a class that is never automated. Planning refuses both; this is asked again where things happen.
 */
export function unrunnable(row: PlannedRow, unit: Unit): 'digest_changed' | 'forbidden_class' | undefined {
  if (subjectDigest(row.org_id, row.plan) !== row.digest) return 'digest_changed';
  return forbiddenClass(unit.step) === undefined ? undefined : 'forbidden_class';
}
