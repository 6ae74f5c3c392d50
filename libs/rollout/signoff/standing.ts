import { Injectable } from '@nestjs/common';
import { rolePermissions } from '#auth';
import { Clock } from '#kernel';
import { readProducers } from '../evidence/evidence.store.ts';
import { readAskers } from '../freeze/freeze.store.ts';
import { type AnyTx, authorsOf, type PlannedRow, type RolloutRow } from '../lifecycle/rollout.store.ts';
import type { PolicyRules } from '../policy/policy-rules.ts';
import { conflicts, type Duty, type Holders } from './duties.ts';
import { personsOf } from './people.ts';
import { readLinks, readStanding, type StandingRow } from './person.store.ts';
import { missing, type Quorum, type Slot, type Voter } from './quorum.ts';
import { type Decision, type Purpose, readSignOffs, type SignOffRow } from './sign-off.store.ts';
import { SKEW_MS } from '../lifecycle/clock-skew.ts';

/** What the sign-offs of a rollout are worth at this moment. */
export interface Stand {
  readonly personOf: (userId: string) => string;
  readonly holders: Holders;
  readonly signOffs: readonly (SignOffRow & { readonly counts: boolean })[];
  /** So many deny the plan as it is that it is rejected. */
  readonly denied: boolean;
  /** Where so many deny it, no approval counts. */
  isMet(quorum: Quorum, purpose: Purpose, digest: string): boolean;
  missing(quorum: Quorum, purpose: Purpose, digest: string): Slot[];
  /** The duties that keep a person from another. */
  conflicts(userId: string, duty: Duty): Duty[];
}

/**
 * Asks the database who signed, whether they still may, and which human they are. Nothing of it is remembered: a role
 * that was taken away a moment ago counts no more.
 */
@Injectable()
export class Standing {
  constructor(private readonly clock: Clock) {}

  /** `besides` are accounts that are about to take on a duty. */
  async of(tx: AnyTx, row: RolloutRow, besides: readonly string[] = []): Promise<Stand> {
    const signOffs = await readSignOffs(tx, row.org_id, row.id);
    const askers = await readAskers(tx, row.org_id, row.id);
    const producers = row.digest === null ? [] : await readProducers(tx, row.org_id, subjectsOf(row));
    const involved = [
      ...authorsOf(row),
      ...signOffs.map(({ user_id: id }) => id),
      ...askers.values(),
      ...producers,
      ...[row.executor_id, row.verifier_id].filter((id) => id !== null),
      ...besides,
    ];
    const { accounts, personOf } = await this.among(tx, row.org_id, involved);
    return standOf(row, { signOffs, askers, producers, accounts, personOf, now: this.clock.now() });
  }

  /** Which of these accounts are one human, and what each may now. */
  async among(tx: AnyTx, orgId: string, userIds: readonly string[]): Promise<Among> {
    const links = await readLinks(tx, orgId);
    const rows = await readStanding(tx, orgId, [...new Set([...userIds, ...links.flat()])]);
    const personOf = personsOf(
      rows.map(({ user_id: userId, email }) => ({ userId, email })),
      links,
    );
    return { accounts: new Map(rows.map((account) => [account.user_id, account])), personOf };
  }
}

interface Among {
  /** By account; who is no member is not among them. */
  readonly accounts: ReadonlyMap<string, StandingRow>;
  readonly personOf: (userId: string) => string;
}

interface Known extends Among {
  readonly signOffs: readonly SignOffRow[];
  /** Who asked for an exception, by what its quorum signs. */
  readonly askers: ReadonlyMap<string, string>;
  readonly producers: readonly string[];
  readonly now: Date;
}

/** What is made of all that is known. Pure. */
export function standOf(
  row: RolloutRow,
  { signOffs, askers, producers, accounts, personOf, now }: Known,
): Stand {
  const rules: PolicyRules | undefined = row.plan?.policy.rules;
  const pairs = rules?.separate ?? [];
  const people = (ids: readonly (string | null)[]): Set<string> =>
    new Set(ids.filter((id) => id !== null).map(personOf));
  const others: Holders = {
    author: people(authorsOf(row)),
    evidence_producer: people(producers),
    executor: people([row.executor_id]),
    verifier: people([row.verifier_id]),
  };
  /** Nobody signs what they asked for. */
  const isOwnAsk = ({ purpose, digest, user_id: id }: SignOffRow): boolean => {
    const asker = purpose === 'freeze' ? askers.get(digest) : undefined;
    return asker !== undefined && personOf(asker) === personOf(id);
  };
  const counted = signOffs.map((one) => {
    const account = accounts.get(one.user_id);
    const counts =
      account !== undefined &&
      maySign(account) &&
      (one.decision === 'deny' || isOfNow(one, now, rules?.approvalSeconds ?? 0)) &&
      !isOwnAsk(one) &&
      conflicts(personOf(one.user_id), 'approver', others, pairs).length === 0;
    return { ...one, counts };
  });
  const decided = lastOf(counted, personOf);
  const votersOf = (purpose: Purpose, digest: string | null, decision: Decision): Voter[] =>
    counted
      .filter(
        (one) =>
          one.purpose === purpose &&
          one.digest === digest &&
          one.decision === decision &&
          one.counts &&
          decided.get(subjectOf(one, personOf))?.decision === decision,
      )
      .map((one) => ({
        person: personOf(one.user_id),
        roles: [accounts.get(one.user_id)?.role_name ?? ''],
      }));
  const isDenied = (purpose: Purpose, digest: string | null): boolean => {
    const deniers = new Set(votersOf(purpose, digest, 'deny').map(({ person }) => person));
    return deniers.size >= (rules?.consensus === true ? 1 : (rules?.denials ?? 1));
  };
  const lacking = (quorum: Quorum, purpose: Purpose, digest: string): Slot[] =>
    missing(quorum, isDenied(purpose, digest) ? [] : votersOf(purpose, digest, 'approve'));
  const approvers = votersOf('change', row.digest, 'approve');
  // Who signed the way back is an approver of it as well.
  const backers = votersOf('rollback', row.recovery_digest, 'approve');
  const holders: Holders = {
    ...others,
    approver: new Set([...approvers, ...backers].map(({ person }) => person)),
  };
  return {
    personOf,
    holders,
    signOffs: counted,
    denied: isDenied('change', row.digest),
    isMet: (quorum, purpose, digest) => lacking(quorum, purpose, digest).length === 0,
    missing: lacking,
    conflicts: (userId, duty) => conflicts(personOf(userId), duty, holders, pairs),
  };
}

/** An approval ends; and what is signed in the future was signed by a clock that went wrong. A denial stands. */
function isOfNow({ at }: SignOffRow, now: Date, seconds: number): boolean {
  const age = now.getTime() - at.getTime();
  return age >= -SKEW_MS && age < seconds * 1000;
}

const subjectOf = (one: SignOffRow, personOf: (userId: string) => string): string =>
  `${one.purpose} ${one.digest} ${personOf(one.user_id)}`;

/** What each human decided last of each subject, by whichever account. At the same moment a denial is the later one. */
function lastOf(
  counted: readonly (SignOffRow & { readonly counts: boolean })[],
  personOf: (userId: string) => string,
): ReadonlyMap<string, SignOffRow> {
  const last = new Map<string, SignOffRow>();
  const rank = ({ at, decision }: SignOffRow): [number, number] => [
    at.getTime(),
    decision === 'deny' ? 1 : 0,
  ];
  for (const one of counted.filter(({ counts }) => counts)) {
    const subject = subjectOf(one, personOf);
    const known = last.get(subject);
    if (!known || isAfter(rank(one), rank(known))) last.set(subject, one);
  }
  return last;
}

const isAfter = ([a, b]: [number, number], [c, d]: [number, number]): boolean => a > c || (a === c && b > d);

/** Whether an account may sign off at this moment. */
export function maySign({ active, built_in: builtIn, permissions, org_kind: kind }: StandingRow): boolean {
  return active && rolePermissions({ builtIn, permissions }, kind).has('rollout:sign-off');
}

/** What evidence of a rollout speaks of: the change, and the way back. Hex. */
export function subjectsOf(row: Pick<PlannedRow, 'digest' | 'recovery_digest'> | RolloutRow): string[] {
  return [row.digest, row.recovery_digest].filter((digest) => digest !== null).map(hexOf);
}

export const hexOf = (digest: string): string => digest.replace(/^sha256:/, '');
