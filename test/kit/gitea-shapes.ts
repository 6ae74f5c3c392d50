import type { GiteaRepo, Pull, Review } from './gitea-repo.ts';

/** Answers of Gitea's API, as far as the product looks at them. */

export const user = (login: string): object => ({
  id: login.length,
  login,
  full_name: '',
  email: `${login}@x.example`,
  username: login,
});
export const branchOf = (repo: GiteaRepo, name: string): object => ({
  name,
  commit: { id: repo.branches.get(name), message: 'one\n' },
  protected: false,
});
export const tagOf = (repo: GiteaRepo, name: string): object => ({
  name,
  id: repo.tags.get(name),
  commit: { sha: repo.tags.get(name), url: '', created: '2026-11-22T00:00:00Z' },
});
export const reviewOf = (pull: Pull, { id, state, by, commit, official, dismissed }: Review): object => ({
  id,
  user: user(by),
  team: null,
  state,
  body: 'ok',
  commit_id: commit,
  stale: commit !== pull.head,
  official,
  dismissed,
  html_url: `#${id}`,
});
export const runOf = (
  id: number,
  { commit, status, conclusion }: { commit: string; status: string; conclusion?: string },
): object => ({
  id,
  head_sha: commit,
  status,
  ...(conclusion !== undefined && { conclusion }),
  html_url: `#${id}`,
});

export function statusOf(repo: GiteaRepo, sha: string): object {
  const statuses = [...(repo.statuses.get(sha) ?? [])];
  return {
    state: 'pending',
    sha,
    total_count: statuses.length,
    // Null where there are none.
    statuses:
      statuses.length === 0
        ? null
        : statuses.map(([context, status], id) => ({ id, context, status, target_url: '' })),
  };
}

/** `base...head`: the commits of head that base does not have. */
export function compare(repo: GiteaRepo, basehead: string): object | undefined {
  const [base = '', head = ''] = basehead.split('...');
  if (!repo.commits.has(base) || !repo.commits.has(head)) return undefined;
  const has = repo.reachable(base);
  const commits = [...repo.reachable(head)].filter((sha) => !has.has(sha)).map((sha) => ({ sha }));
  return { total_commits: commits.length, commits };
}
