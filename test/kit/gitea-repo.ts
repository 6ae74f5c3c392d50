import { createHash } from 'node:crypto';

/** A repository as git and Gitea have it: commits and what stands at them. */

export interface Review {
  id: number;
  state: 'APPROVED' | 'REQUEST_CHANGES' | 'COMMENT' | 'PENDING';
  by: string;
  commit: string;
  official: boolean;
  dismissed: boolean;
}

export interface Pull {
  number: number;
  base: string;
  head: string;
  state: 'open' | 'closed';
  merged: boolean;
  mergeCommit: string | null;
  updated: number;
  reviews: Review[];
}

export class GiteaRepo {
  readonly commits = new Map<string, string[]>();
  readonly branches = new Map<string, string>();
  readonly tags = new Map<string, string>();
  readonly releases = new Map<string, { id: number; draft: boolean }>();
  readonly pulls = new Map<number, Pull>();
  readonly statuses = new Map<string, Map<string, string>>();
  readonly runs = new Map<number, { commit: string; status: string; conclusion?: string }>();
  /** Job to run. */
  readonly jobs = new Map<number, number>();
  #made = 0;

  constructor(
    readonly fullName: string,
    readonly id: number,
  ) {}

  /** A new commit on top of these. */
  commit(...parents: string[]): string {
    const sha = createHash('sha1')
      .update(`${this.fullName} ${(this.#made += 1)}`)
      .digest('hex');
    this.commits.set(sha, parents);
    return sha;
  }

  /** A commit on the branch, or its first one. */
  push(branch: string): string {
    const head = this.branches.get(branch);
    const sha = head === undefined ? this.commit() : this.commit(head);
    this.branches.set(branch, sha);
    return sha;
  }

  /** Another history, which has nothing of the branch's last commit. */
  forcePush(branch: string): string {
    const head = this.branches.get(branch) ?? '';
    const sha = this.commit(...(this.commits.get(head) ?? []));
    this.branches.set(branch, sha);
    return sha;
  }

  openPull(number: number, base: string, head: string): Pull {
    const pull: Pull = {
      number,
      base,
      head,
      state: 'open',
      merged: false,
      mergeCommit: null,
      updated: 1,
      reviews: [],
    };
    this.pulls.set(number, pull);
    return pull;
  }

  review(pull: Pull, state: Review['state'], more: Partial<Review> = {}): Review {
    const id = 100 * pull.number + pull.reviews.length;
    const made = { id, state, by: 'bob', commit: pull.head, official: true, dismissed: false, ...more };
    pull.reviews.push(made);
    pull.updated += 1;
    return made;
  }

  reachable(from: string): Set<string> {
    const found = new Set<string>();
    const open = [from];
    for (let sha = open.pop(); sha !== undefined; sha = open.pop()) {
      if (found.has(sha)) continue;
      found.add(sha);
      open.push(...(this.commits.get(sha) ?? []));
    }
    return found;
  }
}
