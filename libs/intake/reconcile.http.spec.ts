import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { expectStatus, until } from '../../test/kit/app-in-process.ts';
import { ownHookPerTest, SECRET } from '../../test/kit/gitea-intake.ts';
import { GiteaServer, type Mishap } from '../../test/kit/gitea-server.ts';
import { ReconcileJobs } from './rereads/reconcile-jobs.ts';

/** What was never delivered, and a Gitea that does not answer as it should. */
const own = ownHookPerTest();
let { intake, gitea, repo, hook } = own;
beforeEach(() => {
  ({ intake, gitea, repo, hook } = own);
});

const { told } = own;

describe('a reading of everything', () => {
  it('finds what was never delivered, tells it once, and nothing of before the hook', async () => {
    await intake.reconcile(hook);
    expect(told()).toEqual([]);
    const [head, side] = [repo.push('main'), repo.push('side')];
    const tag = repo.commit();
    repo.tags.set('v2', tag);
    repo.tags.set('other', tag);
    const pull = repo.openPull(8, 'main', repo.commit());
    const line = await intake.reconcile(hook);
    expect(told().toSorted()).toEqual(
      [
        `open push refs/heads/main ${head}`,
        `open push refs/heads/side ${side}`,
        `open tag refs/tags/v2 ${tag}`,
        `open pull_request refs/pull/8/head ${pull.head}`,
      ].toSorted(),
    );
    expect(line).toMatchObject({ source: 'reconcile', state: 'done', verdict: 'accepted' });
    expect(line.prompted).toHaveLength(4);
    repo.branches.delete('side');
    pull.state = 'closed';
    await intake.reconcile(hook);
    expect(told().toSorted()).toEqual([
      `void pull_request_closed refs/pull/8/head ${pull.head}`,
      `void ref_deleted refs/heads/side ${side}`,
    ]);
    await intake.reconcile(hook);
    expect(told()).toEqual([]);
  });

  it('finds releases, reviews, and the checks of what rollouts are bound to', async () => {
    const head = repo.branches.get('main') ?? '';
    const pull = repo.openPull(9, 'main', repo.commit());
    await intake.reconcile(hook);
    told();
    repo.tags.set('v3', head);
    repo.releases.set('v3', { id: 3, draft: false });
    repo.review(pull, 'APPROVED');
    repo.statuses.set(head, new Map([['ci', 'success']]));
    repo.runs.set(7, { commit: head, status: 'completed', conclusion: 'failure' });
    repo.runs.set(8, { commit: pull.head, status: 'completed', conclusion: 'success' });
    intake.rollouts.commits = [{ ref: 'refs/heads/main', commit: head }];
    await intake.reconcile(hook);
    expect(told().toSorted()).toEqual(
      [
        `open tag refs/tags/v3 ${head}`,
        `open release refs/tags/v3 ${head}`,
        `evidence review APPROVED refs/pull/9/head ${pull.head}`,
        `advance review refs/pull/9/head ${pull.head}`,
        `evidence status success - ${head}`,
        `advance status - ${head}`,
        `evidence workflow failure - ${head}`,
        `advance workflow - ${head}`,
      ].toSorted(),
    );
    await intake.reconcile(hook);
    expect(told()).toEqual([]);
    repo.runs.set(7, { commit: head, status: 'queued' });
    await intake.reconcile(hook);
    expect(told()).toEqual([`evidence workflow queued - ${head}`, `advance workflow - ${head}`]);
  });

  it('finds that a review of what rollouts are bound to was deleted, of which Gitea says nothing', async () => {
    const pull = repo.openPull(9, 'main', repo.commit());
    const approval = repo.review(pull, 'APPROVED');
    await intake.reconcile(hook);
    Object.assign(pull, { state: 'closed', merged: true, mergeCommit: repo.push('main') });
    pull.updated += 1;
    await intake.reconcile(hook);
    told();
    pull.reviews.pop();
    await intake.reconcile(hook);
    expect(told()).toEqual([]);
    // The rollout is of the branch; the review was of its commit.
    intake.rollouts.commits = [{ ref: 'refs/heads/main', commit: pull.head }];
    await intake.reconcile(hook);
    const gone = intake.rollouts.told.map(({ what }) => 'id' in what && [what.id, what.state, what.standing]);
    expect(gone[0] === false ? gone[1] : gone[0]).toEqual([String(approval.id), 'DELETED', false]);
  });

  it('is begun every ten minutes for each hook that is enabled, and for no other', async () => {
    const schedule = await intake.app.sql(`SELECT cron FROM pgboss.schedule WHERE name = 'gitea_sweep'`);
    expect(schedule).toEqual([{ cron: '*/10 * * * *' }]);
    const off = await intake.hook({ repositories: [repo.fullName], enabled: false });
    const head = repo.push('main');
    const jobs = intake.app.app.get(ReconcileJobs, { strict: false });
    await jobs.sweep(undefined, { id: randomUUID(), attempt: 0 });
    const line = await until(async () => (await intake.lines(hook)).find(({ state }) => state === 'done'));
    expect(line).toMatchObject({ source: 'reconcile', prompted: [{ kind: 'open', commit: head }] });
    expect(told()).toEqual([`open push refs/heads/main ${head}`]);
    expect(await intake.lines(off)).toEqual([]);
    expectStatus(await intake.app.ask('DELETE', `${intake.base}/${off}`, intake.as), 204);
  });

  it('reads every page', async () => {
    for (let n = 0; n < 120; n += 1) repo.push(`topic/${n}`);
    const line = await intake.reconcile(hook);
    expect(line.prompted).toHaveLength(120);
    expect(gitea.requests.filter((one) => one.includes(`${repo.fullName}/branches?`)).length).toBeGreaterThan(
      3,
    );
  });

  it('is asked by who may only', async () => {
    expectStatus(await intake.app.ask('POST', `${intake.base}/${hook}/reconcile`), 401);
  });
});

describe('a Gitea that', () => {
  it.each<[string, Mishap]>([
    ['answers 502', 502],
    ['answers 401 for a moment', 401],
    ['sends elsewhere', 'redirect'],
    ['sends half an answer', 'truncate'],
    ['sends a page instead of JSON', 'not_json'],
    ['sends more than anybody reads', 'oversize'],
    ['closes in the middle', 'break_off'],
    ['says nothing', 'hang'],
    ['sends what is no branch', 'wrong_shape'],
  ])('%s is asked again, and nothing follows until it answers', async (_name, what) => {
    const head = repo.push('main');
    gitea.mishap = { path: /branches\/main$/, what, times: 1 };
    const { id } = expectStatus(
      await intake.send(hook, GiteaServer.deliver('push', gitea.pushed(repo, 'refs/heads/main'), SECRET)),
      202,
    );
    const failed = await until(async () =>
      (await intake.lines(hook)).find((one) => one.id === id && one.code),
    );
    expect(failed).toMatchObject({ state: 'queued', prompted: [] });
    expect(failed.code).toMatch(/^gitea_/);
    expect((await intake.ended(hook, id)).state).toBe('done');
    expect(told()).toEqual([`open push refs/heads/main ${head}`]);
    expect(gitea.requests.join()).not.toContain('meta-data');
  });

  it('has another repository of the same name is not believed', async () => {
    gitea.repo(repo.fullName, 77_777).push('main');
    const { id } = expectStatus(
      await intake.send(hook, GiteaServer.deliver('push', gitea.pushed(repo, 'refs/heads/main'), SECRET)),
      202,
    );
    const line = await until(async () => (await intake.lines(hook)).find((one) => one.id === id && one.code));
    expect(line.code).toBe('gitea_repository_changed');
    expect(told()).toEqual([]);
  });

  it('lies inside is not asked, unless the operator allows its network', async () => {
    for (const baseUrl of [
      'https://10.0.0.1',
      'http://localhost.example.invalid',
      'http://169.254.169.254',
    ]) {
      const inside = await intake.hook({ baseUrl, repositories: [repo.fullName] });
      const { delivery } = expectStatus(
        await intake.app.ask('POST', `${intake.base}/${inside}/reconcile`, intake.as),
        202,
      );
      const line = await until(async () =>
        (await intake.lines(inside)).find((one) => one.id === delivery && one.code !== undefined),
      );
      expect(line.code).toMatch(/^gitea_(target_denied|name_unknown)$/);
      expectStatus(await intake.app.ask('DELETE', `${intake.base}/${inside}`, intake.as), 204);
    }
  });
});

describe('a delivery that waits', () => {
  it('is not read once the hook is disabled', async () => {
    repo.push('main');
    gitea.mishap = { path: /branches\/main$/, what: 503, times: 1 };
    const { id } = expectStatus(
      await intake.send(hook, GiteaServer.deliver('push', gitea.pushed(repo, 'refs/heads/main'), SECRET)),
      202,
    );
    await until(async () => (await intake.lines(hook)).some((one) => one.id === id && one.code));
    const off = { ...intake.as, body: { enabled: false } };
    expectStatus(await intake.app.ask('PATCH', `${intake.base}/${hook}`, off), 200);
    expect(await intake.ended(hook, id)).toMatchObject({ state: 'failed', code: 'hook_disabled' });
    expect(told()).toEqual([]);
  });
});
