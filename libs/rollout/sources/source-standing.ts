import { readRef } from '#intake';
import type { PlannedSource } from '../lifecycle/plan.ts';
import type { AnyTx } from '../lifecycle/rollout.store.ts';

/** How old a reading of Gitea may be that says where a commit stands: three of the rounds that read everything. */
const FRESH_MS = 1_800_000;

export interface SourceStanding {
  readonly verdict: 'pass' | 'fail' | 'stale' | 'inconclusive';
  readonly reason: 'source_stands' | 'source_moved' | 'reading_too_old' | 'source_unreadable';
  /** Where the ref stood. */
  readonly standsAt?: string | undefined;
  readonly readAt?: Date | undefined;
  readonly until?: Date | undefined;
}

/** Whether the commit stands where it stood, as far as the last reading of Gitea tells. */
export async function standingOfSource(
  tx: AnyTx,
  orgId: string,
  source: PlannedSource,
  now: number,
): Promise<SourceStanding> {
  const { giteaHookId: hookId, ref } = source;
  const reading = await readRef(tx, orgId, { hookId, repository: nameOf(source.repository), ref });
  // Another Gitea is another repository, whatever its name.
  if (reading?.repository !== source.repository)
    return { verdict: 'inconclusive', reason: 'source_unreadable' };
  const { commit: standsAt, readAt } = reading;
  if (standsAt !== source.commit) return { verdict: 'fail', reason: 'source_moved', standsAt, readAt };
  const until = new Date(readAt.getTime() + FRESH_MS);
  if (!(now < until.getTime())) return { verdict: 'stale', reason: 'reading_too_old', standsAt, readAt };
  return { verdict: 'pass', reason: 'source_stands', standsAt, readAt, until };
}

/** The source that a plan names; undefined where no hook reads it. */
export async function namedSource(
  tx: AnyTx,
  orgId: string,
  { giteaHookId, repository: given, ref, commit }: PlannedSource,
): Promise<PlannedSource | undefined> {
  const repository = given.toLowerCase();
  const reading = await readRef(tx, orgId, { hookId: giteaHookId, repository, ref });
  return reading && { giteaHookId, repository: reading.repository, ref, commit: commit.toLowerCase() };
}

/** `owner/name` of `https://gitea.example/owner/name`. */
export function nameOf(repository: string): string {
  return repository.split('/').slice(-2).join('/');
}
