import { hash } from 'node:crypto';
import type { Audit } from '#audit';
import type { Database, InvalidationListener, InvalidationStream, OrgTx, SystemTx } from '#database';
import { type Caller, type Clock, Fault } from '#kernel';
import { printReference, type SecretReference } from '../reference.ts';
import { recordRefused, recordResolved, type Served } from '../resolution.ts';
import {
  type Fields,
  type FoundValue,
  type NewestVersion,
  type OpenedSecret,
  type Resolver,
  type Retired,
  type Rotated,
  type SecretMetadata,
  type SecretSettings,
  SecretStore,
  type VersionMetadata,
  type Which,
} from '../secret-store.ts';
import type { ResolvedSecret } from '../secret.ts';
import { SecretFault } from '../secrets.faults.ts';
import { forgetSecret } from './forget.store.ts';
import { HeldValue } from './held-value.ts';
import { HeldValues } from './held-values.ts';
import { ageOf, type SecretAges } from './secret-ages.ts';
import type { StorePosture } from './store-posture.ts';

export interface CacheParts {
  readonly database: Pick<Database, 'acrossOrgs'>;
  readonly audit: Pick<Audit, 'record'>;
  readonly stream: Pick<InvalidationStream, 'isFresh' | 'listen'>;
  readonly clock: Clock;
  readonly ages: SecretAges;
  readonly posture: StorePosture;
}

/** A store that has not answered by then counts as one that is away. */
const ANSWER_WITHIN_MS = 8_000;
/** Within a transaction of somebody else there is less time: the database ends those that are idle. */
const ANSWER_IN_TRANSACTION_MS = 2_500;
/** After which a store that said nothing is asked for the same value again. */
const QUIET_MS = 1_000;
const MOST_VALUES = 1_000;
const SWEEP_EVERY_MS = 5_000;

/** What one question to the store ended with. */
type Asked = { readonly held: HeldValue } | { readonly error: unknown };
interface Question {
  readonly subject: string;
  readonly answer: Promise<Asked & { readonly secret?: ResolvedSecret }>;
  /** The answer may be from before a change that was heard of meanwhile: it is given to nobody who asks from now on. */
  outdated: boolean;
}

/**
 * A store that lies elsewhere, with what the product used of it in memory: served until `refresh` without asking, and
 * until `max stale` where the store said nothing. Whatever it does say counts at once: a value that it refuses is
 * forgotten before the refusal goes on. Each use is recorded in the database first, also one out of memory; a value of
 * which there can be no record is not given. Values are served only within the lease of the invalidations, so that a
 * change through the product holds on every replica when it answers.
 */
export class CachedStore extends SecretStore implements InvalidationListener {
  readonly #held = new HeldValues(MOST_VALUES);
  readonly #questions = new Map<string, Question>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(
    private readonly store: SecretStore,
    private readonly parts: CacheParts,
  ) {
    super();
    parts.stream.listen(this);
    this.#sweeper = setInterval(() => void this.sweep(), SWEEP_EVERY_MS);
    this.#sweeper.unref();
  }

  /** How many values it holds. */
  get size(): number {
    return this.#held.size;
  }

  onModuleDestroy(): void {
    clearInterval(this.#sweeper);
    this.#forget(() => true);
  }

  async resolve(resolver: Resolver, reference: SecretReference): Promise<ResolvedSecret> {
    const key = `${resolver.orgId} ${printReference(reference)}`;
    const { refreshMs, maxStaleMs } = ageOf(this.parts.ages, resolver.purpose);
    const held = this.#usable(key);
    if (held && this.#ageOf(held) < refreshMs) return this.#serve(resolver, reference, key, held, 'cache');
    if (held && this.parts.clock.monotonic() < held.quietUntil && this.#ageOf(held) < maxStaleMs) {
      return this.#serve(resolver, reference, key, held, 'stale');
    }
    const running = this.#questions.get(key);
    const question = running ?? this.#ask(key, resolver, reference);
    const answer = await question.answer;
    if ('held' in answer) {
      // Who asked has its record from the store; who waited with it needs one of their own.
      if (!running && answer.secret) return answer.secret;
      return this.#serve(resolver, reference, key, answer.held, 'cache');
    }
    const { error } = answer;
    if (isSilence(error)) {
      const known = this.#usable(key);
      if (known && this.#ageOf(known) < maxStaleMs) {
        return this.#serve(resolver, reference, key, known, 'stale');
      }
      this.parts.posture.refused();
    }
    if (running && error instanceof Fault) await this.#recordRefused(resolver, reference, error.code);
    throw error;
  }

  /** Changed or gone, or of an organization that was: what is held of it goes, and what is being asked is not held. */
  dropped(subjects: readonly string[]): void {
    const named = new Set(subjects);
    this.#forget((subject) => named.has(subject) || named.has(orgSubjectOf(subject)));
  }

  lapsed(): void {
    this.#forget(() => true);
  }

  /** Wipes what nobody may be served any more, and asks the store how it is. */
  async sweep(): Promise<void> {
    const now = this.parts.clock.monotonic();
    this.#held.dropWhere((value) => now >= value.keepUntil);
    if (!this.store.probe) return;
    await within(this.store.probe(), ANSWER_WITHIN_MS).then(
      () => this.parts.posture.answered(),
      () => this.parts.posture.silent(),
    );
  }

  list(
    caller: Caller,
    query: { readonly prefix?: string; readonly after?: string; readonly limit: number },
  ): Promise<SecretMetadata[]> {
    return this.store.list(caller, query);
  }

  describe(
    caller: Caller,
    which: Which,
  ): Promise<SecretMetadata & { readonly versions: readonly VersionMetadata[] }> {
    return this.store.describe(caller, which);
  }

  /** Always of the store: what was true a moment ago is no comparison. */
  newest(
    tx: OrgTx | SystemTx,
    orgId: string,
    paths: readonly string[],
  ): Promise<ReadonlyMap<string, NewestVersion>> {
    return within(this.store.newest(tx, orgId, paths), ANSWER_IN_TRANSACTION_MS);
  }

  create(caller: Caller, path: string, fields: Fields, settings: SecretSettings): Promise<SecretMetadata> {
    return this.#changing(caller, { path }, () => this.store.create(caller, path, fields, settings));
  }

  write(caller: Caller, which: Which, fields: Fields, cas?: number): Promise<SecretMetadata> {
    return this.#changing(caller, which, () => this.store.write(caller, which, fields, cas));
  }

  update(caller: Caller, which: Which, settings: Partial<SecretSettings>): Promise<SecretMetadata> {
    return this.#changing(caller, which, () => this.store.update(caller, which, settings));
  }

  /** A person sees what the store has now, or nothing. */
  reveal(caller: Caller, which: Which, version?: number): Promise<OpenedSecret> {
    return this.store.reveal(caller, which, version);
  }

  remove(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    return this.#changing(caller, which, () => this.store.remove(caller, which, versions));
  }

  undelete(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    return this.#changing(caller, which, () => this.store.undelete(caller, which, versions));
  }

  destroy(caller: Caller, which: Which, versions?: readonly number[]): Promise<void> {
    return this.#changing(caller, which, () => this.store.destroy(caller, which, versions));
  }

  /** Every process has forgotten the version before when this answers. */
  rotate(
    what: Parameters<SecretStore['rotate']>[0],
    alongside: (tx: SystemTx, done: Rotated) => Promise<void>,
  ): Promise<void> {
    return this.store.rotate(what, async (tx, done) => {
      await alongside(tx, done);
      await forgetSecret(tx, what.orgId, done.path);
    });
  }

  retire(
    what: Parameters<SecretStore['retire']>[0],
    alongside: (tx: SystemTx, done: Retired) => Promise<void>,
  ): Promise<void> {
    return this.store.retire(what, async (tx, done) => {
      await alongside(tx, done);
      await forgetSecret(tx, what.orgId, done.path);
    });
  }

  /** With the organization each process forgets what it holds of it. */
  forget(tx: SystemTx, caller: Caller, orgId: string): Promise<void> {
    return this.store.forget(tx, caller, orgId);
  }

  find(caller: Caller, value: string): Promise<readonly FoundValue[]> {
    return this.store.find(caller, value);
  }

  /**
   * Every process forgets the secret before this answers, also where the store did not say whether it changed. What a
   * process asks for between the change and the news is outdated by the news.
   */
  async #changing<T>(caller: Caller, which: Which, change: () => Promise<T>): Promise<T> {
    const path = 'path' in which ? which.path : (await this.store.describe(caller, which)).path;
    let unchanged = false;
    try {
      return await change();
    } catch (error) {
      unchanged = error instanceof Fault && error.kind !== 'unavailable';
      throw error;
    } finally {
      if (!unchanged) {
        // Not as the caller: whose credential has ended meanwhile has changed it all the same.
        await this.parts.database.acrossOrgs('resolve_secrets', (tx) =>
          forgetSecret(tx, caller.org.id, path),
        );
      }
    }
  }

  /** What is held, as long as it is certain that no change of it was missed. */
  #usable(key: string): HeldValue | undefined {
    return this.parts.stream.isFresh ? this.#held.get(key) : undefined;
  }

  #ageOf({ askedAt }: HeldValue): number {
    return this.parts.clock.monotonic() - askedAt;
  }

  async #serve(
    resolver: Resolver,
    reference: SecretReference,
    key: string,
    held: HeldValue,
    served: Served,
  ): Promise<ResolvedSecret> {
    const { database, audit, posture, ages } = this.parts;
    held.keepUntil = Math.max(held.keepUntil, held.askedAt + ageOf(ages, resolver.purpose).maxStaleMs);
    await database.acrossOrgs('resolve_secrets', (tx) =>
      recordResolved(tx, audit, resolver, reference.field, held.found, served),
    );
    // It may have been changed, or refused to somebody else, while the record was written.
    const current = this.#usable(key) === held ? held.take() : undefined;
    if (!current) return within(this.store.resolve(resolver, reference), ANSWER_WITHIN_MS);
    if (served === 'stale') posture.servedStale();
    return current;
  }

  /** One question a value, however many want it. */
  #ask(key: string, resolver: Resolver, reference: SecretReference): Question {
    const subject = subjectOf(resolver.orgId, reference.path);
    const askedAt = this.parts.clock.monotonic();
    const answer = within(this.store.resolve(resolver, reference), ANSWER_WITHIN_MS).then(
      (secret) => {
        this.parts.posture.answered();
        const held = new HeldValue(secret, subject, askedAt);
        held.keepUntil = askedAt + ageOf(this.parts.ages, resolver.purpose).maxStaleMs;
        if (!question.outdated) this.#held.put(key, held);
        return { held, secret };
      },
      (error: unknown) => {
        if (isSilence(error)) {
          this.parts.posture.silent();
          const known = this.#held.get(key);
          if (known) known.quietUntil = this.parts.clock.monotonic() + QUIET_MS;
        } else {
          if (error instanceof Fault) this.parts.posture.answered();
          this.#forget((one) => one === subject);
        }
        return { error };
      },
    );
    const question: Question = { subject, answer, outdated: false };
    this.#questions.set(key, question);
    void answer.then(() => {
      if (this.#questions.get(key) === question) this.#questions.delete(key);
    });
    return question;
  }

  #forget(test: (subject: string) => boolean): void {
    this.#held.dropWhere(({ subject }) => test(subject));
    for (const [key, question] of this.#questions) {
      if (!test(question.subject)) continue;
      question.outdated = true;
      this.#questions.delete(key);
    }
  }

  async #recordRefused(resolver: Resolver, reference: SecretReference, reason: string): Promise<void> {
    await this.parts.database.acrossOrgs('resolve_secrets', (tx) =>
      recordRefused(tx, this.parts.audit, resolver, reference, reason),
    );
  }
}

/** Only this lets an older value be served: anything else is an answer. */
function isSilence(error: unknown): boolean {
  return error instanceof Fault && error.code === SecretFault.unavailable.code;
}

function subjectOf(orgId: string, path: string): string {
  return `secret:${orgId}:${hash('sha256', path, 'hex')}`;
}

function orgSubjectOf(subject: string): string {
  return `org:${subject.split(':')[1] ?? ''}`;
}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(SecretFault.unavailable({ detail: 'no answer in time', retryAfter: 1 })),
      ms,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
