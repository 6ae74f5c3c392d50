import type { By, Moves } from '../lifecycle/moves.ts';
import type { AnyTx, RolloutRow } from '../lifecycle/rollout.store.ts';
import { releaseTargets } from '../targets/target.store.ts';

/** Lets go of everything a rollout holds, and records which version each target has. */
export async function releaseAll(tx: AnyTx, moves: Moves, by: By, row: RolloutRow): Promise<void> {
  for (const { id, version } of await releaseTargets(tx, row.org_id, row.id)) {
    await moves.note(tx, by, {
      action: 'rollout.target_released',
      target: { type: 'rollout_target', id },
      changes: { rollout: { to: row.id }, version: { to: version } },
    });
  }
}
