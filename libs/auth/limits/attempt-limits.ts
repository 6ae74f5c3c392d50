import { Injectable } from '@nestjs/common';
import { createHmac } from 'node:crypto';
import { Database } from '#database';
import {
  Clock,
  Fault,
  type FaultAudit,
  type FaultKind,
  networkOf,
  type Quota,
  type RequestFacts,
} from '#kernel';
import { MasterKey } from '#secrets';
import { AuthFault } from '../auth.faults.ts';
import { type OrgPolicy, strictest } from '../policy/org-policy.ts';
import { readPlatformPolicy, readPoliciesOf } from '../policy/policy.store.ts';
import { type Counted, countAttempts, giveBackAttempts, type Point, type Pool } from './attempt.store.ts';

export type Limits = OrgPolicy['limits'];

/** How long a source that has none left is refused from memory: a flood then costs the database one count a second. */
const REMEMBERED_MS = 1_000;
const REMEMBERED_SOURCES = 10_000;

/** Factors whose guesses are counted, each by itself: none can lock another. */
export type CountedFactor = 'totp' | 'recovery';

/** Whose password is about to be verified, and from where. */
interface Guess {
  readonly email: string;
  readonly ip: string | undefined;
  /** Of a token that is this account's; such a device has points of its own, which no stranger can use up. */
  readonly deviceId?: string | undefined;
}

/** A sign-in whose password is about to be verified. */
export interface PasswordAttempt extends Guess {
  /** The strictest of the account's organizations; the defaults for nobody. */
  readonly limits: Limits;
  /** The organization to sign in to, where that is known, and what it allows. */
  readonly org?: { readonly id: string; readonly limits: Limits } | undefined;
  /** The platform organization's, which decides for every source. */
  readonly platform: Limits;
}

/** A code of a second factor that is about to be verified. */
export interface FactorAttempt {
  readonly userId: string;
  /** As for passwords: who knows the password alone cannot lock the owner's device out of its factor. */
  readonly deviceId?: string | undefined;
  readonly limits: Limits;
}

/** What an attempt asks of the counters. */
interface Counter {
  giveBack(points: readonly Point[]): Promise<void>;
  /** Counts once more what was refused. */
  again?(): Promise<Counted>;
}

/**
 * One counted attempt. Where it is not admitted nothing is verified: neither point nor promise depends on what the
 * answer would have been.
 */
export class Attempt {
  #counted: Counted;
  /** Taken and not given back: of the source, which count requests, and of the guess. */
  #requests: readonly Point[];
  #guess: readonly Point[];

  /** `requests`: how many of the points are the source's. */
  constructor(
    counted: Counted,
    private readonly counter: Counter,
    requests: number,
  ) {
    this.#counted = counted;
    this.#requests = counted.points.slice(0, requests);
    this.#guess = counted.points.slice(requests);
  }

  get admitted(): boolean {
    return this.#counted.refusedBy === undefined;
  }

  /** The limit that refused; undefined where none did. */
  get quota(): Quota | undefined {
    const { refusedBy } = this.#counted;
    return refusedBy && quotaOf(refusedBy.pool, refusedBy.seconds);
  }

  /** The point that was the last of its pool; those of the source and of the organization are not the person's. */
  get lastOfAccount(): Point | undefined {
    if (!this.admitted) return undefined;
    return this.#counted.points.find(
      ({ pool, last }) => last && /^(device|pair|account|totp|recovery):/.test(pool),
    );
  }

  /**
   * Verifies, or does the same work where it may not. What was not admitted asks once more after that work: a crowd
   * of right passwords fills a pool too, and has given its points back by then. Where the work itself fails nothing
   * was verified, and an overload uses up nobody's points.
   */
  async verify(work: (really: boolean) => Promise<boolean>): Promise<boolean> {
    try {
      const right = await work(this.admitted);
      if (this.admitted || !this.counter.again) return right && this.admitted;
      this.#counted = await this.counter.again();
      this.#guess = this.#counted.points;
      return this.admitted && (await work(true));
    } catch (error) {
      await this.giveBackGuess();
      throw error;
    }
  }

  /**
   * It was right, or was never verified: its own points, once, and no others, are there again. Never rejects: a
   * point that cannot be given back stays counted until its window ends.
   */
  giveBack(): Promise<void> {
    const given = [...this.#requests, ...this.#guess];
    [this.#requests, this.#guess] = [[], []];
    return this.#give(given);
  }

  /** The same, but the request still counts for its source: the guess was right, and the sign-in goes on. */
  giveBackGuess(): Promise<void> {
    const given = this.#guess;
    this.#guess = [];
    return this.#give(given);
  }

  #give(points: readonly Point[]): Promise<void> {
    return points.length === 0 ? Promise.resolve() : this.counter.giveBack(points).catch(() => undefined);
  }
}

/**
 * Counts attempts before they are verified, over all replicas, so that parallel guesses never get more
 * verifications than the limit. A success gives back its own points only, so a limit that was reached by failures
 * stays reached until its window ends.
 */
@Injectable()
export class AttemptLimits {
  /** Sources that have none left, until when (monotonic milliseconds), and what they are told. */
  readonly #exhausted = new Map<string, { until: number; quota: Quota }>();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly masterKey: MasterKey,
  ) {}

  /**
   * Counts a request of a source and a guess of a password. Throws `auth.too_many_requests` where the source has
   * none left; where the account has none the attempt is not admitted, and the answer must not tell.
   */
  async countPassword(attempt: PasswordAttempt): Promise<Attempt> {
    const source = this.#source(attempt.ip, attempt.platform);
    this.#requireSource(source.name);
    const { limits, org } = attempt;
    const pools = this.#passwordPools(attempt, limits);
    if (attempt.deviceId === undefined) pools.push(organizationPool(org, limits));
    const counted = await this.#count([source, ...pools], 1);
    this.#refuseSource(source, counted);
    return this.#attempt(counted, 1, () => this.#count(pools, 0));
  }

  /**
   * Counts a guess of a password outside of a sign-in: by a person who is signed in, or who holds an invitation.
   * Shares the points of sign-ins. Where it is not admitted, `tooMany` is the answer.
   */
  async countOwnPassword(guess: Guess & { readonly userId: string }): Promise<Attempt> {
    const policies = await this.database.acrossOrgs('count_attempts', (tx) =>
      readPoliciesOf(tx, guess.userId),
    );
    return this.#attempt(await this.#count(this.#passwordPools(guess, strictest(policies).limits), 0), 0);
  }

  /**
   * Counts a guess of a second factor. Where it is not admitted, the pending challenge has to end (a new one needs
   * the password again) and `tooMany` is the answer.
   */
  async countFactor(
    kind: CountedFactor,
    { userId, deviceId, limits: { perFactor: limit, windowSeconds } }: FactorAttempt,
  ): Promise<Attempt> {
    const name = deviceId === undefined ? `${kind}:${userId}` : `${kind}:${userId}:${deviceId}`;
    return this.#attempt(await this.#count([{ name, limit, windowSeconds }], 0), 0);
  }

  /** Counts a request without a credential. Throws `auth.too_many_requests` where its source has none left. */
  async countSource(ip: string | undefined): Promise<Attempt> {
    this.#requireSource(this.#sourceName(ip));
    const { limits } = await this.database.acrossOrgs('count_attempts', readPlatformPolicy);
    const source = this.#source(ip, limits);
    const counted = await this.#count([source], 1);
    this.#refuseSource(source, counted);
    return this.#attempt(counted, 1);
  }

  /**
   * For routes whose credential is a token that nobody guesses: only what is refused counts, so what works costs no
   * round trip.
   */
  async countRefusals<T>({ ip }: RequestFacts, work: () => Promise<T>): Promise<T> {
    this.#requireSource(this.#sourceName(ip));
    try {
      return await work();
    } catch (error) {
      if (error instanceof Fault && !OURS.has(error.kind)) await this.countSource(ip);
      throw error;
    }
  }

  /**
   * Counts one use of something that has a limit of its own, whoever uses it. Throws `auth.too_many_requests` where
   * the window has none left.
   */
  async countUse(
    kind: string,
    id: string,
    limit: number,
    windowSeconds: number,
    audit: FaultAudit = {},
  ): Promise<void> {
    const attempt = this.#attempt(await this.#count([{ name: `${kind}:${id}`, limit, windowSeconds }], 0), 0);
    if (!attempt.admitted) throw this.tooMany(attempt, audit);
  }

  /** `auth.too_many_requests` of an attempt that was not admitted. For whom the limit is no secret. */
  tooMany(attempt: Attempt, audit: FaultAudit = {}): Fault {
    return AuthFault.too_many_requests({ ...(attempt.quota && { quota: attempt.quota }), audit });
  }

  /** Keyed, so that a stolen table tells neither addresses nor networks, and tests no guesses. */
  digest(kind: string, value: string): string {
    const key = this.masterKey.derive('attempt-limits');
    return createHmac('sha256', key).update(`${kind}\0${value}`).digest('base64url').slice(0, 32);
  }

  #passwordPools({ email, ip, deviceId }: Guess, { windowSeconds, perDevice, perAccount }: Limits): Pool[] {
    if (deviceId !== undefined) return [{ name: `device:${deviceId}`, limit: perDevice, windowSeconds }];
    const account = this.digest('email', email.toLowerCase());
    const pair = `pair:${account}|${this.digest('network', networkOf(ip))}`;
    return [
      { name: pair, limit: perDevice, windowSeconds },
      { name: `account:${account}`, limit: perAccount, windowSeconds },
    ];
  }

  #sourceName(ip: string | undefined): string {
    return `source:${this.digest('network', networkOf(ip))}`;
  }

  #source(ip: string | undefined, { perSource, windowSeconds }: Limits): Pool {
    return { name: this.#sourceName(ip), limit: perSource, windowSeconds };
  }

  #count(pools: readonly Pool[], kept: number): Promise<Counted> {
    return countAttempts(this.database.alone('count_attempts'), pools, kept);
  }

  #attempt(counted: Counted, requests: number, again?: () => Promise<Counted>): Attempt {
    const giveBack = (points: readonly Point[]): Promise<void> =>
      giveBackAttempts(this.database.alone('count_attempts'), points);
    return new Attempt(counted, { giveBack, ...(again && { again }) }, requests);
  }

  #requireSource(name: string): void {
    const known = this.#exhausted.get(name);
    if (!known) return;
    if (known.until > this.clock.monotonic()) throw tooManyFrom(known.quota);
    this.#exhausted.delete(name);
  }

  #refuseSource(source: Pool, { refusedBy }: Counted): void {
    if (refusedBy?.pool !== source) return;
    const quota = quotaOf(source, refusedBy.seconds);
    if (this.#exhausted.size >= REMEMBERED_SOURCES) this.#exhausted.clear();
    this.#exhausted.set(source.name, { until: this.clock.monotonic() + REMEMBERED_MS, quota });
    throw tooManyFrom(quota);
  }
}

/** Failures that say nothing of what was asked. */
const OURS: ReadonlySet<FaultKind> = new Set(['limited', 'unavailable', 'internal']);

/** Counted for nobody too, so that the work is the same; there is no limit to reach then. */
function organizationPool(org: PasswordAttempt['org'], { windowSeconds }: Limits): Pool {
  return org
    ? {
        name: `organization:${org.id}`,
        limit: org.limits.perOrganization,
        windowSeconds: org.limits.windowSeconds,
      }
    : { name: 'organization:none', limit: 2 ** 31 - 1, windowSeconds };
}

function tooManyFrom(quota: Quota): Fault {
  return AuthFault.too_many_requests({ quota, audit: { reason: 'too_many_from_source' } });
}

function quotaOf({ name, limit, windowSeconds }: Pool, seconds: number): Quota {
  return { name: name.slice(0, name.indexOf(':')), limit, windowSeconds, resetSeconds: seconds };
}
