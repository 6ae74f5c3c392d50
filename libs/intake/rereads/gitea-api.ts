import { isCommit, isRefName } from '../deliveries/names.ts';
import { GiteaFailure } from './gitea-failure.ts';
import type { GiteaHttp } from './gitea-http.ts';

/** A branch or a tag, and the commit it stands at. */
export interface GiteaRef {
  readonly name: string;
  readonly commit: string;
}

export interface GiteaPull {
  readonly number: number;
  readonly state: 'open' | 'closed';
  readonly merged: boolean;
  readonly mergeCommit: string | undefined;
  readonly base: string;
  readonly head: string;
  readonly updatedAt: string;
}

export interface GiteaReview {
  readonly id: number;
  /** APPROVED, REQUEST_CHANGES, COMMENT; others are of nobody yet. */
  readonly state: string;
  readonly by: string;
  readonly commit: string;
  /** The commit is no longer the head. */
  readonly stale: boolean;
  /** By somebody whose approval the branch asks for. */
  readonly official: boolean;
  readonly dismissed: boolean;
  readonly url: string;
}

export interface GiteaRelease {
  readonly id: number;
  readonly tag: string;
  readonly draft: boolean;
}

export interface GiteaStatus {
  readonly context: string;
  readonly state: string;
  readonly url: string;
}

export interface GiteaRun {
  readonly id: number;
  readonly commit: string;
  readonly state: string;
  readonly url: string;
}

/** What is asked of one repository. Undefined is Gitea's 404, of the thing itself: the repository was readable. */
export class GiteaRepository {
  constructor(
    private readonly http: GiteaHttp,
    /** `owner/name`. */
    readonly name: string,
  ) {}

  get #path(): string[] {
    return ['repos', ...this.name.split('/')];
  }

  /** Gitea's number of it, which stays when names change hands. `gitea_repository_unreadable` where there is none. */
  async id(): Promise<number> {
    const answer = await this.http.get(this.#path);
    if (!answer.found) throw new GiteaFailure('repository_unreadable');
    return new Part(answer.body).whole('id');
  }

  async branch(name: string): Promise<GiteaRef | undefined> {
    return this.#one(['branches', name], branchOf);
  }

  async branches(): Promise<GiteaRef[]> {
    return this.#all(['branches'], branchOf);
  }

  async tag(name: string): Promise<GiteaRef | undefined> {
    return this.#one(['tags', name], tagOf);
  }

  async tags(): Promise<GiteaRef[]> {
    return this.#all(['tags'], tagOf);
  }

  async release(tag: string): Promise<GiteaRelease | undefined> {
    return this.#one(['releases', 'tags', tag], releaseOf);
  }

  async releases(): Promise<GiteaRelease[]> {
    return this.#all(['releases'], releaseOf);
  }

  async pull(number: number): Promise<GiteaPull | undefined> {
    return this.#one(['pulls', String(number)], pullOf);
  }

  async openPulls(): Promise<GiteaPull[]> {
    return this.#all(['pulls'], pullOf, { state: 'open' });
  }

  async reviews(number: number): Promise<GiteaReview[]> {
    return this.#all(['pulls', String(number), 'reviews'], reviewOf);
  }

  /** The newest status of each context. */
  async statuses(commit: string): Promise<GiteaStatus[]> {
    const answer = await this.http.get([...this.#path, 'commits', commit, 'status']);
    if (!answer.found) return [];
    const combined = new Part(answer.body);
    // Without any status Gitea names no commit.
    const statuses = combined.list('statuses');
    if (statuses.length > 0 && combined.text('sha') !== commit) throw new GiteaFailure('answer_unexpected');
    return statuses.map((one) => ({
      context: one.text('context'),
      state: one.text('status'),
      url: one.text('target_url'),
    }));
  }

  /** The newest of a commit; none where Gitea runs nothing. */
  async runsOf(commit: string): Promise<GiteaRun[]> {
    const answer = await this.http.get([...this.#path, 'actions', 'runs'], {
      head_sha: commit,
      limit: '50',
    });
    if (!answer.found) return [];
    const runs = new Part(answer.body).list('workflow_runs').map(runOf);
    if (runs.some((run) => run.commit !== commit)) throw new GiteaFailure('answer_unexpected');
    return runs;
  }

  async run(id: number): Promise<GiteaRun | undefined> {
    return this.#one(['actions', 'runs', String(id)], runOf);
  }

  /** The run that a job is of. */
  async runOfJob(id: number): Promise<number | undefined> {
    return this.#one(['actions', 'jobs', String(id)], (one) => one.whole('run_id'));
  }

  /**
   * Whether `ancestor` is in the history of `commit`: nothing of it is then missing there. A commit that Gitea does
   * not know (any more) is in no history.
   */
  async contains(commit: string, ancestor: string): Promise<boolean> {
    const path = [...this.#path, 'compare', `${commit}...${ancestor}`];
    try {
      const answer = await this.http.get(path, { files: 'false', verification: 'false' });
      return answer.found && new Part(answer.body).whole('total_commits') === 0;
    } catch (error) {
      // Of no missing commits the answer would be short.
      if (error instanceof GiteaFailure && error.code === 'gitea_answer_too_long') return false;
      throw error;
    }
  }

  async #one<T>(parts: readonly string[], read: (part: Part) => T): Promise<T | undefined> {
    const answer = await this.http.get([...this.#path, ...parts]);
    return answer.found ? read(new Part(answer.body)) : undefined;
  }

  async #all<T>(
    parts: readonly string[],
    read: (part: Part) => T,
    query: Record<string, string> = {},
  ): Promise<T[]> {
    const items = await this.http.list([...this.#path, ...parts], query);
    if (!items) throw new GiteaFailure('repository_unreadable');
    return items.map((item) => read(new Part(item)));
  }
}

const branchOf = (one: Part): GiteaRef => ({
  name: one.refName('name'),
  commit: one.part('commit').commit('id'),
});
const tagOf = (one: Part): GiteaRef => ({
  name: one.refName('name'),
  commit: one.part('commit').commit('sha'),
});

const releaseOf = (one: Part): GiteaRelease => ({
  id: one.whole('id'),
  tag: one.refName('tag_name'),
  draft: one.flag('draft'),
});

function pullOf(one: Part): GiteaPull {
  const state = one.text('state');
  if (state !== 'open' && state !== 'closed') throw new GiteaFailure('answer_unexpected');
  const merged = one.flag('merged');
  return {
    number: one.whole('number'),
    state,
    merged,
    mergeCommit: merged ? one.commit('merge_commit_sha') : undefined,
    base: one.part('base').text('ref'),
    head: one.part('head').commit('sha'),
    updatedAt: one.text('updated_at'),
  };
}

const reviewOf = (one: Part): GiteaReview => ({
  id: one.whole('id'),
  state: one.text('state'),
  // A review that was asked of a team has no person.
  by: one.partOr('user')?.text('login') ?? '',
  commit: one.textOr('commit_id', ''),
  stale: one.flag('stale'),
  official: one.flag('official'),
  dismissed: one.flag('dismissed'),
  url: one.text('html_url'),
});

function runOf(one: Part): GiteaRun {
  return {
    id: one.whole('id'),
    commit: one.commit('head_sha'),
    // A run that has not ended has no conclusion.
    state: one.textOr('conclusion', '') || one.text('status'),
    url: one.text('html_url'),
  };
}

/** Reads what Gitea answers; anything that is not as its API says is `gitea_answer_unexpected`. */
class Part {
  readonly #value: Record<string, unknown>;

  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new GiteaFailure('answer_unexpected');
    }
    this.#value = value as Record<string, unknown>;
  }

  text(name: string): string {
    const value = this.#value[name];
    if (typeof value !== 'string' || value.length > 2_000) throw new GiteaFailure('answer_unexpected');
    return value;
  }

  textOr(name: string, otherwise: string): string {
    return this.#value[name] === undefined || this.#value[name] === null ? otherwise : this.text(name);
  }

  flag(name: string): boolean {
    const value = this.#value[name];
    if (typeof value !== 'boolean') throw new GiteaFailure('answer_unexpected');
    return value;
  }

  whole(name: string): number {
    const value = this.#value[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw new GiteaFailure('answer_unexpected');
    }
    return value;
  }

  commit(name: string): string {
    const value = this.text(name);
    if (!isCommit(value)) throw new GiteaFailure('answer_unexpected');
    return value;
  }

  refName(name: string): string {
    const value = this.text(name);
    if (!isRefName(value)) throw new GiteaFailure('answer_unexpected');
    return value;
  }

  part(name: string): Part {
    return new Part(this.#value[name]);
  }

  partOr(name: string): Part | undefined {
    return this.#value[name] === undefined || this.#value[name] === null ? undefined : this.part(name);
  }

  list(name: string): Part[] {
    const value = this.#value[name];
    if (value === null || value === undefined) return [];
    if (!Array.isArray(value)) throw new GiteaFailure('answer_unexpected');
    return value.map((one) => new Part(one));
  }
}
