import { fitsAny, isCommit } from '../deliveries/names.ts';
import type { GiteaFact, PromptEvent, VoidReason } from '../rollout-prompts.ts';
import type { GiteaPull, GiteaRelease, GiteaReview, GiteaRun, GiteaStatus } from './gitea-api.ts';
import type { Seen } from './ref.store.ts';

/** What follows from an answer of Gitea. Pure: the same answer and the same memory make the same steps. */
export type Step =
  | {
      readonly kind: 'open' | 'advance';
      readonly ref?: string;
      readonly commit: string;
      readonly event: PromptEvent;
    }
  | { readonly kind: 'void'; readonly ref: string; readonly commit: string; readonly reason: VoidReason }
  | ({ readonly kind: 'evidence' } & {
      readonly fact: Pick<GiteaFact, 'ref' | 'commit' | 'kind' | 'id' | 'state' | 'by' | 'standing' | 'url'>;
    });

/** What a hook is for. */
export interface Wanted {
  readonly branches: readonly string[];
  readonly tags: readonly string[];
  readonly opens: readonly string[];
}

/** What was known before Gitea was asked. */
export interface Known {
  readonly seen: Seen | undefined;
  /** Commits that rollouts of this ref are bound to. */
  readonly bound: readonly string[];
}

/** `keep` is what is remembered: nothing where it is gone, undefined where nothing is remembered of it at all. */
export interface Judgement {
  readonly steps: readonly Step[];
  readonly keep: Seen | 'gone' | undefined;
}

const NOTHING: Judgement = { steps: [], keep: undefined };

const voided = (ref: string, commits: Iterable<string>, reason: VoidReason): Step[] =>
  [...new Set(commits)].map((commit) => ({ kind: 'void', ref, commit, reason }));

const opened = ({ opens }: Wanted, event: 'push' | 'tag' | 'release' | 'pull_request'): 'open' | 'advance' =>
  opens.includes(event) ? 'open' : 'advance';

/** Commits that the answer puts in doubt: each must be in the history of what stands there now. */
export function doubtful({ seen, bound }: Known, now: string | undefined): string[] {
  const commits = new Set(bound);
  if (seen && seen.commit !== '') commits.add(seen.commit);
  if (now !== undefined) commits.delete(now);
  return [...commits];
}

/** `rewritten`: which of the doubtful ones are in no history of the head. */
export function judgeBranch(
  wanted: Wanted,
  name: string,
  head: string | undefined,
  known: Known,
  rewritten: readonly string[],
): Judgement {
  if (!fitsAny(wanted.branches, name)) return NOTHING;
  const ref = `refs/heads/${name}`;
  if (head === undefined)
    return { steps: voided(ref, doubtful(known, undefined), 'ref_deleted'), keep: 'gone' };
  const steps = voided(ref, rewritten, 'force_push');
  if (head !== known.seen?.commit) {
    steps.push({ kind: opened(wanted, 'push'), ref, commit: head, event: 'push' });
  }
  return { steps, keep: { commit: head, state: '', facts: {} } };
}

/** A tag that moves is another one, whatever the history says. */
export function judgeTag(wanted: Wanted, name: string, commit: string | undefined, known: Known): Judgement {
  if (!fitsAny(wanted.tags, name)) return NOTHING;
  const ref = `refs/tags/${name}`;
  if (commit === undefined)
    return { steps: voided(ref, doubtful(known, undefined), 'ref_deleted'), keep: 'gone' };
  const steps = voided(ref, doubtful(known, commit), 'tag_moved');
  if (commit !== known.seen?.commit) steps.push({ kind: opened(wanted, 'tag'), ref, commit, event: 'tag' });
  return { steps, keep: { commit, state: '', facts: {} } };
}

/** A draft is not published, so it is none yet; so is a release whose tag is gone. */
export function judgeRelease(
  wanted: Wanted,
  name: string,
  release: GiteaRelease | undefined,
  commit: string | undefined,
  known: Known,
): Judgement {
  if (!fitsAny(wanted.tags, name)) return NOTHING;
  const ref = `refs/tags/${name}`;
  if (!release || release.draft || commit === undefined) {
    return {
      steps: known.seen ? voided(ref, doubtful(known, undefined), 'release_deleted') : [],
      keep: 'gone',
    };
  }
  const state = String(release.id);
  const isNew = commit !== known.seen?.commit || state !== known.seen.state;
  return {
    steps: isNew ? [{ kind: opened(wanted, 'release'), ref, commit, event: 'release' }] : [],
    keep: { commit, state, facts: {} },
  };
}

/** `baseHead`: where the base of a merged one stands. */
export function judgePull(
  wanted: Wanted,
  number: number,
  pull: GiteaPull | undefined,
  reviews: readonly GiteaReview[],
  known: Known,
  rewritten: readonly string[],
  baseHead: string | undefined,
): Judgement {
  const ref = `refs/pull/${number}/head`;
  if (!pull) return { steps: voided(ref, doubtful(known, undefined), 'pull_request_closed'), keep: 'gone' };
  if (!fitsAny(wanted.branches, pull.base)) {
    // Its base was another one when something was bound to it.
    return { steps: voided(ref, known.bound, 'pull_request_closed'), keep: known.seen ? 'gone' : undefined };
  }
  const was = known.seen && standingOf(known.seen.state);
  const is = pull.merged ? 'merged' : pull.state;
  const steps: Step[] = [];
  if (is === 'closed' && was !== 'closed') {
    steps.push(...voided(ref, [...doubtful(known, pull.head), pull.head], 'pull_request_closed'));
  } else if (is === 'merged' && was !== 'merged' && baseHead !== undefined && pull.mergeCommit === baseHead) {
    // A base that has gone on since is told of by itself.
    steps.push({
      kind: opened(wanted, 'pull_request'),
      ref: `refs/heads/${pull.base}`,
      commit: baseHead,
      event: 'merged',
    });
  } else if (is === 'open') {
    steps.push(...voided(ref, rewritten, 'force_push'));
    if (pull.head !== known.seen?.commit || was !== 'open') {
      steps.push({ kind: opened(wanted, 'pull_request'), ref, commit: pull.head, event: 'pull_request' });
    }
  }
  const { told, facts } = judgeReviews(ref, pull.head, reviews, known.seen?.facts ?? {});
  steps.push(...told);
  if (told.length > 0) steps.push({ kind: 'advance', ref, commit: pull.head, event: 'review' });
  return { steps, keep: { commit: pull.head, state: pullState(pull), facts } };
}

/** What tells that a pull request, or a review of it, has changed. */
export function pullState({ state, merged, base, updatedAt }: GiteaPull): string {
  return `${merged ? 'merged' : state} ${updatedAt} ${base}`;
}

const standingOf = (state: string): string => state.split(' ')[0] ?? '';

const SAID = new Set(['APPROVED', 'REQUEST_CHANGES', 'COMMENT']);

/** What is remembered of a review begins with its state and its commit. */
const commitOf = (said: string): string => said.split(' ')[1] ?? '';

/** The commits that the reviews of a pull request, as they are remembered, are of. */
export function commitsOfReviews(facts: Seen['facts']): string[] {
  return Object.values(facts).map(commitOf);
}

/** Each review once, and again when it says another thing: when it was dismissed, outdated, or deleted. */
function judgeReviews(
  ref: string,
  head: string,
  reviews: readonly GiteaReview[],
  before: Seen['facts'],
): { told: Step[]; facts: Record<string, string> } {
  const facts: Record<string, string> = {};
  const told: Step[] = [];
  for (const { id, state, by, commit, stale, official, dismissed, url } of reviews) {
    if (!SAID.has(state) || !isCommit(commit)) continue;
    const current = !stale && !dismissed && commit === head;
    const said = [state, commit, official ? 'official' : '', current ? 'current' : ''].join(' ');
    facts[id] = said;
    if (before[id] === said) continue;
    const standing = current && official;
    told.push({
      kind: 'evidence',
      fact: { ref, commit, kind: 'review', id: String(id), state, by, standing, url },
    });
  }
  for (const [id, said] of Object.entries(before)) {
    if (facts[id] !== undefined) continue;
    const commit = commitOf(said);
    const gone = { ref, commit, kind: 'review', id, state: 'DELETED', standing: false } as const;
    told.push({ kind: 'evidence', fact: gone });
  }
  return { told, facts };
}

/** All that checks say of a commit, each once and again when it says another thing. */
export function judgeChecks(
  commit: string,
  statuses: readonly GiteaStatus[],
  runs: readonly GiteaRun[],
  known: Known,
): Judgement {
  const before = known.seen?.facts ?? {};
  const facts: Record<string, string> = {};
  const steps: Step[] = [];
  const tell = (kind: 'status' | 'workflow', all: readonly { id: string; state: string; url: string }[]) => {
    const told: Step[] = [];
    for (const { id, state, url } of all) {
      const key = `${kind} ${id}`;
      facts[key] = state;
      if (before[key] !== state) told.push({ kind: 'evidence', fact: { commit, kind, id, state, url } });
    }
    if (told.length > 0) steps.push(...told, { kind: 'advance', commit, event: kind });
  };
  tell(
    'status',
    statuses.map(({ context, state, url }) => ({ id: context, state, url })),
  );
  tell(
    'workflow',
    runs.map(({ id, state, url }) => ({ id: String(id), state, url })),
  );
  return { steps, keep: { commit, state: '', facts } };
}

export function judgeRun(run: GiteaRun | undefined): Judgement {
  if (!run) return NOTHING;
  const { id, commit, state, url } = run;
  return {
    steps: [
      { kind: 'evidence', fact: { commit, kind: 'workflow', id: String(id), state, url } },
      { kind: 'advance', commit, event: 'workflow' },
    ],
    keep: undefined,
  };
}
