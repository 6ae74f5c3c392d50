import type { SystemTx } from '#database';

/** A ref of a repository, as the hook of an organization knows it. */
export interface Source {
  readonly orgId: string;
  readonly hookId: string;
  /** `https://gitea.example/owner/name`, in small letters after the host. */
  readonly repository: string;
  /** `refs/heads/…`, `refs/tags/…` or `refs/pull/<number>/head`; undefined where a commit alone is spoken of. */
  readonly ref?: string | undefined;
}

export type PromptEvent =
  'push' | 'tag' | 'release' | 'pull_request' | 'review' | 'merged' | 'status' | 'workflow';

/** Gitea says, now, that this commit stands there. */
export interface Prompt extends Source {
  /** SHA-1 or SHA-256 of the commit, hex. */
  readonly commit: string;
  readonly event: PromptEvent;
}

export const voidReasons = [
  'force_push',
  'ref_deleted',
  'tag_moved',
  'pull_request_closed',
  'release_deleted',
] as const;
export type VoidReason = (typeof voidReasons)[number];

/** Gitea says, now, that this commit stands there no longer. */
export interface Voiding extends Source {
  readonly commit: string;
  readonly reason: VoidReason;
}

/** What Gitea says of a commit. Its producer is Gitea: it may count as evidence, and never as a sign-off. */
export interface GiteaFact extends Source {
  readonly commit: string;
  readonly kind: 'review' | 'status' | 'workflow';
  /** Of the review, the context of the status, or the run. */
  readonly id: string;
  /** In Gitea's words: APPROVED, REQUEST_CHANGES, COMMENT; success, failure, error, pending, …. */
  readonly state: string;
  /** Gitea's name of the person who said so; personal. */
  readonly by?: string | undefined;
  /** Of a review: by somebody whose approval the branch asks for, of this very commit, and not taken back. */
  readonly standing?: boolean | undefined;
  readonly url?: string | undefined;
}

/**
 * What the intake asks of rollouts, in the transaction that keeps what Gitea said. Each answers the ids of the
 * rollouts that it concerned, and does nothing the second time it is told the same.
 */
export abstract class RolloutPrompts {
  /** The commits that rollouts which have not ended are bound to. */
  abstract bound(
    tx: SystemTx,
    of: { readonly orgId: string; readonly repository: string },
  ): Promise<readonly { readonly ref: string; readonly commit: string }[]>;

  abstract open(tx: SystemTx, prompt: Prompt): Promise<readonly string[]>;

  /** Something changed that gates may look at. */
  abstract advance(tx: SystemTx, prompt: Prompt): Promise<readonly string[]>;

  /** Sign-offs of what is bound to the commit count no longer. */
  abstract void(tx: SystemTx, voiding: Voiding): Promise<readonly string[]>;

  abstract evidence(tx: SystemTx, fact: GiteaFact): Promise<readonly string[]>;
}
