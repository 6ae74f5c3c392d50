import { sha256 } from '#kernel';
import type { GiteaFact } from '#intake';
import type { GateResult } from '../gates/gate.ts';

/** What Gitea says of a commit, as evidence: one predicate type each, which only Gitea's own word may have. */
export const GITEA = {
  review: 'urn:portcullis:predicate:gitea-review:v1',
  status: 'urn:portcullis:predicate:gitea-status:v1',
  workflow: 'urn:portcullis:predicate:gitea-workflow:v1',
} as const satisfies Record<GiteaFact['kind'], string>;

export const isGiteas = (predicateType: string): boolean =>
  predicateType.startsWith('urn:portcullis:predicate:gitea-');

/** What such evidence speaks of: a commit of a repository. Hex. */
export function commitSubject({ repository, commit }: { repository: string; commit: string }): string {
  return sha256(`${repository}\n${commit}\n`).toString('hex');
}

type Result = 'pass' | 'fail' | 'inconclusive';

/** A review speaks for or against only while it stands: of this very commit, asked for, and not taken back. */
export function resultOf({ kind, state, standing }: Pick<GiteaFact, 'kind' | 'state' | 'standing'>): Result {
  if (kind === 'review') {
    if (standing !== true) return 'inconclusive';
    return state === 'APPROVED' ? 'pass' : state === 'REQUEST_CHANGES' ? 'fail' : 'inconclusive';
  }
  return state === 'success' ? 'pass' : state === 'failure' || state === 'error' ? 'fail' : 'inconclusive';
}

/** The newest of each fact. */
export interface Said {
  readonly result: Result;
  readonly observedAt: number;
  readonly keyRevoked: boolean;
}

type Judged = Pick<GateResult, 'verdict' | 'reason' | 'until'>;

/**
 * Passes where something speaks for the commit and nothing against it. A review that says neither is no reason to wait;
 * a status or a run that has not ended is.
 */
export function judgeFacts(
  predicateType: string,
  said: readonly Said[],
  now: number,
  maxAgeMs: number,
): Judged {
  if (said.some(({ keyRevoked }) => keyRevoked)) return { verdict: 'inconclusive', reason: 'key_revoked' };
  if (said.some(({ result }) => result === 'fail')) return { verdict: 'fail', reason: 'observed_fail' };
  const open = predicateType !== GITEA.review && said.some(({ result }) => result === 'inconclusive');
  if (open) return { verdict: 'inconclusive', reason: 'observed_inconclusive' };
  const passes = said.filter(({ result }) => result === 'pass').map(({ observedAt }) => observedAt);
  if (passes.length === 0) return { verdict: 'inconclusive', reason: 'never_observed' };
  const ends = Math.max(...passes) + maxAgeMs;
  if (!(now < ends)) return { verdict: 'stale', reason: 'too_old' };
  return { verdict: 'pass', reason: 'observed_pass', until: new Date(Math.min(ends, 8.64e15)).toISOString() };
}
