import { beforeEach, describe, expect, it } from 'vitest';
import { expectStatus } from '../../test/kit/app-in-process.ts';
import { ownHookPerTest } from '../../test/kit/gitea-intake.ts';

/** What is done follows from what Gitea says when it is asked, and from nothing that was delivered. */
const own = ownHookPerTest();
let { intake, gitea, repo, hook } = own;
beforeEach(() => {
  ({ intake, gitea, repo, hook } = own);
});

const deliver = (type: string, payload: object) => intake.deliver(hook, type, payload);
const { told } = own;
const bind = (ref: string, ...commits: string[]): void => {
  intake.rollouts.commits = commits.map((commit) => ({ ref, commit }));
};

describe('a push', () => {
  it('opens a rollout of the commit that the branch stands at', async () => {
    const head = repo.push('main');
    const line = await deliver('push', gitea.pushed(repo, 'refs/heads/main'));
    expect(told()).toEqual([`open push refs/heads/main ${head}`]);
    expect(line).toMatchObject({
      state: 'done',
      verdict: 'accepted',
      prompted: [{ kind: 'open', ref: 'refs/heads/main', commit: head, what: 'push' }],
    });
    const records = await intake.app.records(intake.admin.organization.id, 'intake.prompted');
    expect(records.at(-1)).toMatchObject({
      actor: { type: 'system', id: 'gitea_intake' },
      target: { type: 'gitea_hook', id: hook },
      changes: { delivery: { to: line.id }, repository: { to: `${gitea.url}/${repo.fullName}` } },
    });
  });

  it('that says another commit than Gitea does counts for nothing: Gitea does', async () => {
    const head = repo.push('main');
    await deliver('push', gitea.pushed(repo, 'refs/heads/main', 'b'.repeat(40), 'c'.repeat(40)));
    expect(told()).toEqual([`open push refs/heads/main ${head}`]);
  });

  it('of what has changed again since is of what stands there now', async () => {
    repo.push('main');
    let later = '';
    gitea.meanwhile = (path) => {
      if (path.endsWith('branches/main') && later === '') later = repo.push('main');
    };
    await deliver('push', gitea.pushed(repo, 'refs/heads/main'));
    expect(told()).toEqual([`open push refs/heads/main ${later}`]);
  });

  it('of what nothing has changed in does nothing', async () => {
    const line = await deliver('push', gitea.pushed(repo, 'refs/heads/main'));
    expect([told(), line.prompted, line.state]).toEqual([[], [], 'done']);
  });

  it('to a branch that the hook is not for does nothing; to a new one of its pattern it opens', async () => {
    const path = `${intake.base}/${hook}`;
    const patch = { ...intake.as, body: { branches: ['main', 'release/*'] } };
    expectStatus(await intake.app.ask('PATCH', path, patch), 200);
    repo.push('feature/x');
    await deliver('push', gitea.pushed(repo, 'refs/heads/feature/x'));
    expect(told()).toEqual([]);
    const head = repo.push('release/1');
    await deliver('create', gitea.named(repo, 'branch', 'release/1'));
    expect(told()).toEqual([`open push refs/heads/release/1 ${head}`]);
  });

  it('by a hook that opens nothing only advances', async () => {
    const path = `${intake.base}/${hook}`;
    expectStatus(await intake.app.ask('PATCH', path, { ...intake.as, body: { opens: [] } }), 200);
    const head = repo.push('main');
    await deliver('push', gitea.pushed(repo, 'refs/heads/main'));
    expect(told()).toEqual([`advance push refs/heads/main ${head}`]);
  });
});

describe('a forced push', () => {
  it('voids what is bound to the commits that the branch has lost, and to no other', async () => {
    const kept = repo.branches.get('main') ?? '';
    const [lost, alsoLost] = [repo.push('main'), repo.push('main')];
    await deliver('push', gitea.pushed(repo, 'refs/heads/main'));
    told();
    bind('refs/heads/main', kept, lost, alsoLost);
    repo.branches.set('main', repo.commit(kept));
    const head = repo.branches.get('main');
    // The body says that nothing was forced.
    await deliver('push', gitea.pushed(repo, 'refs/heads/main', kept));
    expect(told()).toEqual([
      `void force_push refs/heads/main ${lost}`,
      `void force_push refs/heads/main ${alsoLost}`,
      `open push refs/heads/main ${head}`,
    ]);
  });

  it('is none where the old commit is in the history of the new one', async () => {
    const before = repo.push('main');
    await deliver('push', gitea.pushed(repo, 'refs/heads/main'));
    told();
    bind('refs/heads/main', before);
    const head = repo.push('main');
    await deliver('push', gitea.pushed(repo, 'refs/heads/main'));
    expect(told()).toEqual([`open push refs/heads/main ${head}`]);
  });

  it('voids what is bound to a commit that Gitea knows no longer', async () => {
    bind('refs/heads/main', 'd'.repeat(40));
    const head = repo.push('main');
    await deliver('push', gitea.pushed(repo, 'refs/heads/main'));
    expect(told()).toEqual([
      `void force_push refs/heads/main ${'d'.repeat(40)}`,
      `open push refs/heads/main ${head}`,
    ]);
  });

  it('is taken for one where the list of what is missing is too long to read', async () => {
    const before = repo.branches.get('main') ?? '';
    gitea.mishap = { path: /compare/, what: 'oversize', times: 1 };
    repo.push('main');
    await deliver('push', gitea.pushed(repo, 'refs/heads/main'));
    expect(told()[0]).toBe(`void force_push refs/heads/main ${before}`);
  });

  it('that was missed is found when rollouts are bound to what the branch does not have', async () => {
    bind('refs/heads/main', repo.commit());
    await intake.reconcile(hook);
    expect(told()[0]).toMatch(/^void force_push refs\/heads\/main /);
  });
});

describe('a branch or a tag that is gone', () => {
  it('voids what was bound to it', async () => {
    const commit = repo.push('side');
    await deliver('create', gitea.named(repo, 'branch', 'side'));
    told();
    bind('refs/heads/side', commit);
    repo.branches.delete('side');
    await deliver('delete', gitea.named(repo, 'branch', 'side'));
    expect(told()).toEqual([`void ref_deleted refs/heads/side ${commit}`]);
  });

  it('is not believed to be gone of a delivery alone', async () => {
    bind('refs/heads/main', repo.branches.get('main') ?? '');
    await deliver('delete', gitea.named(repo, 'branch', 'main'));
    expect(told()).toEqual([]);
  });

  it('is not believed to be gone where the whole repository cannot be read', async () => {
    bind('refs/heads/main', repo.branches.get('main') ?? '');
    gitea.meanwhile = (path) => {
      if (!path.endsWith('branches/main') || gitea.mishap) return;
      gitea.mishap = { path: /./, what: 404, times: 2 };
    };
    const line = await deliver('push', gitea.pushed(repo, 'refs/heads/main'));
    expect([told(), line.state, gitea.mishap?.times]).toEqual([[], 'done', 0]);
  });

  it('as a tag that moves is another one', async () => {
    const [one, two] = [repo.commit(), repo.commit()];
    repo.tags.set('v1', one);
    await deliver('push', gitea.pushed(repo, 'refs/tags/v1'));
    expect(told()).toEqual([`open tag refs/tags/v1 ${one}`]);
    repo.tags.set('v1', two);
    await deliver('push', gitea.pushed(repo, 'refs/tags/v1'));
    expect(told()).toEqual([`void tag_moved refs/tags/v1 ${one}`, `open tag refs/tags/v1 ${two}`]);
  });
});

describe('a release', () => {
  it('opens a rollout of its tag’s commit when it is published, and voids it when it is gone', async () => {
    const commit = repo.commit();
    repo.tags.set('v1', commit);
    await deliver('create', gitea.named(repo, 'tag', 'v1'));
    told();
    repo.releases.set('v1', { id: 5, draft: true });
    await deliver('release', gitea.released(repo, 'v1', 'published'));
    expect(told()).toEqual([]);
    repo.releases.set('v1', { id: 5, draft: false });
    await deliver('release', { ...gitea.released(repo, 'v1', 'updated') });
    expect(told()).toEqual([`open release refs/tags/v1 ${commit}`]);
    const body = gitea.released(repo, 'v1', 'deleted');
    repo.releases.delete('v1');
    await deliver('release', body);
    expect(told()).toEqual([`void release_deleted refs/tags/v1 ${commit}`]);
  });
});

describe('a pull request', () => {
  const ref = 'refs/pull/3/head';

  it('opens, follows its head, is voided by a forced one, closes, opens again and merges', async () => {
    const one = repo.commit();
    const pull = repo.openPull(3, 'main', one);
    await deliver('pull_request', gitea.pulled(repo, pull, 'opened'));
    expect(told()).toEqual([`open pull_request ${ref} ${one}`]);
    pull.head = repo.commit(one);
    pull.updated += 1;
    await deliver('pull_request_sync', gitea.pulled(repo, pull, 'synchronized'));
    expect(told()).toEqual([`open pull_request ${ref} ${pull.head}`]);
    const before = pull.head;
    bind(ref, one, before);
    pull.head = repo.commit(one);
    await deliver('pull_request_sync', gitea.pulled(repo, pull, 'synchronized'));
    expect(told()).toEqual([`void force_push ${ref} ${before}`, `open pull_request ${ref} ${pull.head}`]);
    bind(ref, pull.head);
    pull.state = 'closed';
    await deliver('pull_request', gitea.pulled(repo, pull, 'closed'));
    expect(told()).toEqual([`void pull_request_closed ${ref} ${pull.head}`]);
    pull.state = 'open';
    await deliver('pull_request', gitea.pulled(repo, pull, 'reopened'));
    expect(told()).toEqual([`open pull_request ${ref} ${pull.head}`]);
    Object.assign(pull, { state: 'closed', merged: true, mergeCommit: repo.push('main') });
    await deliver('pull_request', gitea.pulled(repo, pull, 'closed'));
    expect(told()).toEqual([`open merged refs/heads/main ${pull.mergeCommit}`]);
  });

  it('that merged into a branch which has gone on since is old news', async () => {
    const pull = repo.openPull(3, 'main', repo.commit());
    await deliver('pull_request', gitea.pulled(repo, pull, 'opened'));
    told();
    Object.assign(pull, { state: 'closed', merged: true, mergeCommit: repo.push('main') });
    repo.push('main');
    await deliver('pull_request', gitea.pulled(repo, pull, 'closed'));
    expect(told()).toEqual([]);
  });

  it('has reviews that become evidence once, whatever the delivery says of them', async () => {
    const pull = repo.openPull(3, 'main', repo.commit());
    await deliver('pull_request', gitea.pulled(repo, pull, 'opened'));
    told();
    const forged = gitea.pulled(repo, pull, 'reviewed', {
      type: 'pull_request_review_approved',
      content: 'ok',
    });
    await deliver('pull_request_review_approved', forged);
    expect(told()).toEqual([]);
    repo.review(pull, 'APPROVED');
    repo.review(pull, 'PENDING');
    await deliver('pull_request_review_approved', { ...forged, sender: { login: 'bob' } });
    expect(intake.rollouts.told[0]).toMatchObject({
      kind: 'evidence',
      what: { kind: 'review', state: 'APPROVED', by: 'bob', standing: true, commit: pull.head },
    });
    expect(told()).toEqual([
      `evidence review APPROVED ${ref} ${pull.head}`,
      `advance review ${ref} ${pull.head}`,
    ]);
    await intake.reconcile(hook);
    expect(told()).toEqual([]);
  });

  it('has reviews that stand no longer when they are dismissed, outdated or deleted', async () => {
    const pull = repo.openPull(3, 'main', repo.commit());
    const [first, second] = [repo.review(pull, 'APPROVED'), repo.review(pull, 'REQUEST_CHANGES')];
    await deliver('pull_request', gitea.pulled(repo, pull, 'opened'));
    told();
    const standing = (): unknown[] =>
      intake.rollouts.told.flatMap(({ what }) =>
        'standing' in what ? [[what.id, what.state, what.standing]] : [],
      );
    first.dismissed = true;
    await deliver('pull_request_review_rejected', gitea.pulled(repo, pull, 'reviewed'));
    expect(standing()).toEqual([[String(first.id), 'APPROVED', false]]);
    told();
    pull.head = repo.commit(pull.head);
    await deliver('pull_request_sync', gitea.pulled(repo, pull, 'synchronized'));
    expect(standing()).toEqual([[String(second.id), 'REQUEST_CHANGES', false]]);
    told();
    pull.reviews.pop();
    await deliver('pull_request_review_comment', gitea.pulled(repo, pull, 'reviewed', { type: 'x' }));
    expect(standing()).toEqual([[String(second.id), 'DELETED', false]]);
  });

  it('shows nobody’s name in the log', async () => {
    const pull = repo.openPull(3, 'main', repo.commit());
    repo.review(pull, 'APPROVED', { by: 'a-person-with-a-name' });
    await deliver('pull_request', gitea.pulled(repo, pull, 'opened'));
    expect(JSON.stringify(await intake.app.records(intake.admin.organization.id))).not.toContain('a-person');
  });
});

describe('checks', () => {
  it('by status become evidence of the commit, each once', async () => {
    const commit = repo.branches.get('main') ?? '';
    repo.statuses.set(
      commit,
      new Map([
        ['ci/build', 'success'],
        ['ci/test', 'failure'],
      ]),
    );
    await deliver('status', gitea.statused(repo, commit, 'ci/build', 'success'));
    expect(told()).toEqual([
      `evidence status success - ${commit}`,
      `evidence status failure - ${commit}`,
      `advance status - ${commit}`,
    ]);
    repo.statuses.get(commit)?.set('ci/test', 'success');
    // A body that says what Gitea does not.
    await deliver('status', gitea.statused(repo, commit, 'ci/other', 'success'));
    expect(told()).toEqual([`evidence status success - ${commit}`, `advance status - ${commit}`]);
  });

  it('by workflow become evidence of the commit that Gitea says the run is of', async () => {
    const commit = repo.branches.get('main') ?? '';
    repo.runs.set(9, { commit, status: 'completed', conclusion: 'failure' });
    repo.jobs.set(4, 9);
    await deliver('workflow_run', gitea.ran(repo, 9));
    const lines = [`evidence workflow failure - ${commit}`, `advance workflow - ${commit}`];
    expect(told()).toEqual(lines);
    await deliver('workflow_job', gitea.ranJob(repo, 4));
    expect(told()).toEqual(lines);
    await deliver('workflow_run', gitea.ran(repo, 10));
    expect(told()).toEqual([]);
  });
});
