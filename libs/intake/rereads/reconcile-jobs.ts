import { Injectable } from '@nestjs/common';
import { Unattended } from '#access';
import { Database } from '#database';
import { HandlesJob, type JobFacts, Jobs } from '#jobs';
import { Clock } from '#kernel';
import { endDelivery, hasJustFailed, insertReconcile, readDelivery } from '../deliveries/delivery.store.ts';
import type { Subject } from '../deliveries/gitea-events.ts';
import { fitsAny } from '../deliveries/names.ts';
import { holdHook, type HookRow, readLiveHooks } from '../hooks/hook.store.ts';
import { RolloutPrompts } from '../rollout-prompts.ts';
import { codeOf } from './delivery-jobs.ts';
import type { GiteaRepository } from './gitea-api.ts';
import type { GiteaHttp } from './gitea-http.ts';
import { commitsOfReviews, pullState } from './judgement.ts';
import { reconcileQueue, sweepQueue } from './queues.ts';
import {
  forgetOthers,
  keepSeen,
  markBaselined,
  markRead,
  readAllSeen,
  type RefKind,
  type Seen,
} from './ref.store.ts';
import { Rereads } from './rereads.ts';

const AT_ONCE = 200;

/** One thing as Gitea lists it. */
interface Listed extends Seen {
  readonly kind: RefKind;
  readonly name: string;
}

/**
 * Finds what was never delivered: lists what there is and compares it with what was last seen. What differs is read as
 * if it had been delivered. Of a repository that was never read everything is only remembered: it was there before.
 */
@Injectable()
export class ReconcileJobs {
  constructor(
    private readonly database: Database,
    private readonly jobs: Jobs,
    private readonly rereads: Rereads,
    private readonly rollouts: RolloutPrompts,
    private readonly clock: Clock,
  ) {}

  @HandlesJob(sweepQueue)
  @Unattended('it only adds a job for each hook')
  async sweep(_data: undefined, _job: JobFacts): Promise<void> {
    let after: string | undefined;
    do {
      const hooks = await this.database.acrossOrgs('gitea_intake', async (tx) => {
        const found = await readLiveHooks(tx, after, AT_ONCE);
        for (const { id, org_id } of found) {
          await this.jobs.enqueue(tx, reconcileQueue, { orgId: org_id, hookId: id });
        }
        return found;
      });
      after = hooks.length < AT_ONCE ? undefined : hooks.at(-1)?.id;
    } while (after !== undefined);
  }

  @HandlesJob(reconcileQueue)
  @Unattended('it reads what a hook is for, with the credential of the hook’s own organization')
  async run(
    { orgId, hookId, deliveryId }: { orgId: string; hookId: string; deliveryId?: string },
    job: JobFacts,
  ): Promise<void> {
    const line = deliveryId ?? job.id;
    const hook = await this.database.acrossOrgs('gitea_intake', (tx) => holdHook(tx, orgId, hookId));
    if (!hook?.live) return hook && this.#end(orgId, line, { state: 'failed', code: 'hook_disabled' });
    try {
      await this.database.acrossOrgs('gitea_intake', (tx) => forgetOthers(tx, hookId, hook.repositories));
      await this.rereads.asking(hook, (reconcileQueue.settings.within - 30) * 1_000, async (http) => {
        for (const name of hook.repositories) await this.#reconcile(http, hook, name, line);
      });
    } catch (error) {
      const last = job.attempt >= reconcileQueue.settings.retries;
      await this.#failed(hook, line, { state: last ? 'failed' : 'queued', code: codeOf(error) });
      throw error;
    }
    await this.#end(orgId, line, { state: 'done', code: null });
  }

  async #reconcile(http: GiteaHttp, hook: HookRow, name: string, delivery: string): Promise<void> {
    const { repository, baselined_at } = await this.rereads.open(http, hook, name);
    const before = this.clock.now();
    const listed = await list(repository, hook);
    if (baselined_at === null) return this.#remember(hook, name, listed, before);
    for (const subject of await this.#differences(hook, name, listed)) {
      await this.rereads.reread({ hook, repository, delivery }, subject);
    }
    await this.database.acrossOrgs('gitea_intake', (tx) => markRead(tx, hook.id, name, before));
  }

  async #remember(hook: HookRow, repository: string, listed: readonly Listed[], at: Date): Promise<void> {
    await this.database.acrossOrgs('gitea_intake', async (tx) => {
      for (const { kind, name, ...seen } of listed) {
        const key = { orgId: hook.org_id, hookId: hook.id, repository, kind, name };
        // What a delivery was faster with stays as it was read then.
        await keepSeen(tx, key, seen, undefined);
      }
      await markBaselined(tx, hook.id, repository);
      await markRead(tx, hook.id, repository, at);
    });
  }

  /** What is new, is another one, or is gone; and reviews and checks of commits that rollouts are bound to. */
  async #differences(hook: HookRow, name: string, listed: readonly Listed[]): Promise<Subject[]> {
    const { seen, bound } = await this.database.acrossOrgs('gitea_intake', async (tx) => ({
      seen: await readAllSeen(tx, hook.id, name),
      bound: await this.rollouts.bound(tx, { orgId: hook.org_id, repository: `${hook.base_url}/${name}` }),
    }));
    const keyOf = (one: { kind: string; name: string }): string => `${one.kind} ${one.name}`;
    const before = new Map(seen.filter(({ kind }) => kind !== 'commit').map((one) => [keyOf(one), one]));
    const now = new Map(listed.map((one) => [keyOf(one), one]));
    const changed = listed.filter((one) => {
      const was = before.get(keyOf(one));
      return was === undefined || was.commit !== one.commit || was.state !== one.state;
    });
    // A pull request that is in no list of open ones was seen to have ended, or has just ended.
    const gone = [...before.values()].filter(
      (one) => !now.has(keyOf(one)) && !(one.kind === 'pull' && !one.state.startsWith('open ')),
    );
    // What stands as it stood may still be bound to something that it never was.
    const doubted = listed.filter((one) =>
      bound.some(
        ({ ref, commit }) =>
          ref === `refs/heads/${one.name}` && one.kind === 'branch' && commit !== one.commit,
      ),
    );
    // Gitea tells nobody that a review was deleted, and the pull request looks the same as before.
    const reviewed = seen.filter(
      (one) =>
        one.kind === 'pull' &&
        bound.some(
          ({ ref, commit }) =>
            ref === `refs/pull/${one.name}/head` || commitsOfReviews(one.facts).includes(commit),
        ),
    );
    const refs = [...new Set([...changed, ...gone, ...doubted, ...reviewed].map(keyOf))].map(subjectOf);
    const commits = [...new Set(bound.map(({ commit }) => commit))];
    return [...refs, ...commits.map((sha): Subject => ({ kind: 'commit', sha }))];
  }

  async #failed(
    { org_id, id }: HookRow,
    line: string,
    end: { state: 'queued' | 'failed'; code: string },
  ): Promise<void> {
    await this.database.acrossOrgs('gitea_intake', async (tx) => {
      const known = await readDelivery(tx, org_id, line);
      if (!known && (end.state === 'queued' || (await hasJustFailed(tx, org_id, id, end.code)))) return;
      await insertReconcile(tx, { orgId: org_id, hookId: id, id: line, state: 'queued' });
      await endDelivery(tx, org_id, line, end);
    });
  }

  #end(orgId: string, line: string, end: { state: 'done' | 'failed'; code: string | null }): Promise<void> {
    return this.database.acrossOrgs('gitea_intake', (tx) => endDelivery(tx, orgId, line, end));
  }
}

/** What the hook is for, of what there is now; in the form it is remembered in. */
async function list(repository: GiteaRepository, hook: HookRow): Promise<Listed[]> {
  const facts = {};
  const branches = await repository.branches();
  const tags = await repository.tags();
  const releases = await repository.releases();
  const pulls = await repository.openPulls();
  const commitOf = new Map(tags.map(({ name, commit }) => [name, commit]));
  return [
    ...branches
      .filter(({ name }) => fitsAny(hook.branches, name))
      .map(({ name, commit }): Listed => ({ kind: 'branch', name, commit, state: '', facts })),
    ...tags
      .filter(({ name }) => fitsAny(hook.tags, name))
      .map(({ name, commit }): Listed => ({ kind: 'tag', name, commit, state: '', facts })),
    ...releases
      .filter(({ tag, draft }) => !draft && commitOf.has(tag) && fitsAny(hook.tags, tag))
      .map(({ id, tag }): Listed => {
        return { kind: 'release', name: tag, commit: commitOf.get(tag) ?? '', state: String(id), facts };
      }),
    ...pulls
      .filter(({ base }) => fitsAny(hook.branches, base))
      .map((pull): Listed => {
        return { kind: 'pull', name: String(pull.number), commit: pull.head, state: pullState(pull), facts };
      }),
  ];
}

function subjectOf(key: string): Subject {
  const space = key.indexOf(' ');
  const kind = key.slice(0, space) as Exclude<RefKind, 'commit'>;
  const name = key.slice(space + 1);
  return kind === 'pull' ? { kind, number: Number(name) } : { kind, name };
}
