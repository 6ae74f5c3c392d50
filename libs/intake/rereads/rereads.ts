import { Injectable } from '@nestjs/common';
import { Audit, bySystem } from '#audit';
import { Database, type SystemTx } from '#database';
import { Egress } from '#egress';
import { JobFailure } from '#jobs';
import { Fault } from '#kernel';
import { SecretReferences } from '#secrets';
import { addPrompted, insertReconcile, type Prompted } from '../deliveries/delivery.store.ts';
import type { Subject } from '../deliveries/gitea-events.ts';
import { holdHook, type HookRow } from '../hooks/hook.store.ts';
import { RolloutPrompts, type Source } from '../rollout-prompts.ts';
import { GiteaRepository } from './gitea-api.ts';
import { GiteaFailure } from './gitea-failure.ts';
import { GiteaHttp } from './gitea-http.ts';
import {
  doubtful,
  judgeBranch,
  judgeChecks,
  type Judgement,
  judgePull,
  judgeRelease,
  judgeRun,
  judgeTag,
  type Known,
  type Step,
} from './judgement.ts';
import {
  bindRepository,
  dropSeen,
  keepSeen,
  readSeen,
  type RefKey,
  type RepositoryRow,
  type SeenRow,
} from './ref.store.ts';

/** A repository as one hook reads it. */
export interface Reading {
  readonly hook: HookRow;
  readonly repository: GiteaRepository;
  /** The line that what comes of it is told on. */
  readonly delivery: string;
}

interface KnownRow extends Known {
  readonly seen: SeenRow | undefined;
}

/** Asks Gitea and does what follows from its answer, and from nothing else. */
@Injectable()
export class Rereads {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly egress: Egress,
    private readonly references: SecretReferences,
    private readonly rollouts: RolloutPrompts,
  ) {}

  /** Opens a hook's Gitea for `work`, within `withinMs`. Failures: `gitea_…`. */
  async asking<T>(hook: HookRow, withinMs: number, work: (http: GiteaHttp) => Promise<T>): Promise<T> {
    const token = await this.references
      .resolve(hook.org_id, hook.token_ref, `webhook:${hook.id}`)
      .catch((error: unknown) => {
        const code = error instanceof Fault ? error.code.replace('.', '_') : 'failed';
        throw new GiteaFailure(`token_${code}`, { cause: error });
      });
    const http = new GiteaHttp(this.egress, hook.base_url, token, AbortSignal.timeout(withinMs));
    try {
      return await work(http);
    } finally {
      http.close();
    }
  }

  /** The repository, proven to be readable and to be the one that the name stood for at first. */
  async open(
    http: GiteaHttp,
    hook: HookRow,
    name: string,
  ): Promise<{ repository: GiteaRepository } & RepositoryRow> {
    const repository = new GiteaRepository(http, name);
    const id = await repository.id();
    const row = await this.database.acrossOrgs('gitea_intake', (tx) =>
      bindRepository(tx, { orgId: hook.org_id, hookId: hook.id, repository: name }, id),
    );
    if (Number(row.gitea_id) !== id) throw new GiteaFailure('repository_changed');
    return { repository, ...row };
  }

  async reread(reading: Reading, subject: Subject): Promise<void> {
    const { hook, repository } = reading;
    if (subject.kind === 'job') {
      const id = await repository.runOfJob(subject.id);
      return id === undefined ? undefined : this.reread(reading, { kind: 'run', id });
    }
    if (subject.kind === 'run') {
      const judged = judgeRun(await repository.run(subject.id));
      return this.#follow(reading, undefined, { seen: undefined, bound: [] }, judged);
    }
    const key: RefKey = {
      orgId: hook.org_id,
      hookId: hook.id,
      repository: repository.name,
      kind: subject.kind,
      name: nameOf(subject),
    };
    const known = await this.database.acrossOrgs('gitea_intake', (tx) => this.#known(tx, reading, key));
    await this.#follow(reading, key, known, await judge(reading, subject, known));
  }

  async #known(tx: SystemTx, { hook, repository }: Reading, key: RefKey): Promise<KnownRow> {
    const ref = refOf(key);
    const bound = await this.rollouts.bound(tx, { orgId: key.orgId, repository: urlOf(hook, repository) });
    return {
      seen: await readSeen(tx, key),
      bound: bound.filter((one) => one.ref === ref).map(({ commit }) => commit),
    };
  }

  /** One transaction: what was seen, what follows of it, the record and the line of the delivery. */
  async #follow(
    reading: Reading,
    key: RefKey | undefined,
    known: KnownRow,
    judged: Judgement,
  ): Promise<void> {
    const { hook, repository, delivery } = reading;
    await this.database.acrossOrgs('gitea_intake', async (tx) => {
      const now = await holdHook(tx, hook.org_id, hook.id);
      if (!now?.live || !now.repositories.includes(repository.name))
        throw new JobFailure('hook_disabled', true);
      if (key) await this.#keep(tx, reading, key, known, judged);
      if (judged.steps.length === 0) return;
      const source = { orgId: hook.org_id, hookId: hook.id, repository: urlOf(hook, repository) };
      const prompted: Prompted[] = [];
      for (const step of judged.steps) prompted.push(await this.#take(tx, source, step));
      await insertReconcile(tx, { orgId: hook.org_id, hookId: hook.id, id: delivery, state: 'queued' });
      await addPrompted(tx, hook.org_id, delivery, prompted);
      await this.audit.record(tx, {
        ...bySystem('gitea_intake'),
        orgId: hook.org_id,
        action: 'intake.prompted',
        target: { type: 'gitea_hook', id: hook.id },
        outcome: 'success',
        changes: {
          delivery: { to: delivery },
          repository: { to: source.repository },
          prompts: { to: prompted.map((one) => ({ ...one })) },
        },
      });
    });
  }

  /** Whoever was faster has read later, or bound a commit that was not looked at: all of it is read again. */
  async #keep(
    tx: SystemTx,
    reading: Reading,
    key: RefKey,
    known: KnownRow,
    { keep }: Judgement,
  ): Promise<void> {
    const { bound } = await this.#known(tx, reading, key);
    const version = known.seen?.version;
    const kept =
      keep === undefined ||
      (keep === 'gone' ? await dropSeen(tx, key, version) : await keepSeen(tx, key, keep, version));
    if (!kept || bound.some((commit) => !known.bound.includes(commit)))
      throw new JobFailure('changed_meanwhile');
  }

  async #take(tx: SystemTx, source: Source, step: Step): Promise<Prompted> {
    const told = (
      ref: string | undefined,
      commit: string,
      what: string,
      rollouts: readonly string[],
    ): Prompted => ({
      kind: step.kind,
      ...(ref !== undefined && { ref }),
      commit,
      what,
      rollouts: [...rollouts],
    });
    if (step.kind === 'evidence') {
      const { fact } = step;
      const rollouts = await this.rollouts.evidence(tx, { ...source, ...fact });
      return told(fact.ref, fact.commit, `${fact.kind} ${fact.id}: ${fact.state}`, rollouts);
    }
    const { ref, commit } = step;
    if (step.kind === 'void') {
      const rollouts = await this.rollouts.void(tx, { ...source, ref, commit, reason: step.reason });
      return told(ref, commit, step.reason, rollouts);
    }
    const prompt = { ...source, ref, commit, event: step.event };
    const rollouts =
      step.kind === 'open' ? await this.rollouts.open(tx, prompt) : await this.rollouts.advance(tx, prompt);
    return told(ref, commit, step.event, rollouts);
  }
}

type Kept = Exclude<Subject, { kind: 'run' | 'job' }>;

function nameOf(subject: Kept): string {
  if (subject.kind === 'pull') return String(subject.number);
  return subject.kind === 'commit' ? subject.sha : subject.name;
}

/** What rollouts are bound to there; a commit alone is no ref. */
function refOf({ kind, name }: RefKey): string {
  if (kind === 'pull') return `refs/pull/${name}/head`;
  return kind === 'branch' ? `refs/heads/${name}` : kind === 'commit' ? '' : `refs/tags/${name}`;
}

function urlOf({ base_url }: HookRow, { name }: GiteaRepository): string {
  return `${base_url}/${name}`;
}

async function judge({ hook, repository }: Reading, subject: Kept, known: Known): Promise<Judgement> {
  switch (subject.kind) {
    case 'branch': {
      const head = (await orGone(repository, repository.branch(subject.name)))?.commit;
      return judgeBranch(hook, subject.name, head, known, await rewritten(repository, head, known));
    }
    case 'tag': {
      const tag = await orGone(repository, repository.tag(subject.name));
      return judgeTag(hook, subject.name, tag?.commit, known);
    }
    case 'release': {
      const release = await orGone(repository, repository.release(subject.name));
      const tag = release && (await orGone(repository, repository.tag(subject.name)));
      return judgeRelease(hook, subject.name, release, tag?.commit, known);
    }
    case 'pull': {
      const pull = await orGone(repository, repository.pull(subject.number));
      const reviews = pull ? await repository.reviews(subject.number) : [];
      const lost = pull?.state === 'open' ? await rewritten(repository, pull.head, known) : [];
      const base = pull?.merged === true ? await repository.branch(pull.base) : undefined;
      return judgePull(hook, subject.number, pull, reviews, known, lost, base?.commit);
    }
    case 'commit':
      return judgeChecks(
        subject.sha,
        await repository.statuses(subject.sha),
        await repository.runsOf(subject.sha),
        known,
      );
  }
}

/** A 404 is believed only of a repository that can still be read: a token that ended must not void anything. */
async function orGone<T>(repository: GiteaRepository, asked: Promise<T | undefined>): Promise<T | undefined> {
  const found = await asked;
  if (found === undefined) await repository.id();
  return found;
}

/** Of the commits that are in doubt, those that the head does not have in its history. */
async function rewritten(
  repository: GiteaRepository,
  head: string | undefined,
  known: Known,
): Promise<string[]> {
  if (head === undefined) return [];
  const lost: string[] = [];
  for (const commit of doubtful(known, head)) {
    if (!(await repository.contains(head, commit))) lost.push(commit);
  }
  return lost;
}
