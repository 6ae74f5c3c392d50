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
import { isMet, missing, type Quorum, type Slot, type Voter } from './quorum.ts';
import { type Purpose, readSignOffs, type SignOffRow } from './sign-off.store.ts';

/** What the sign-offs of a rollout are worth at this moment. */
export interface Stand {
  readonly personOf: (userId: string) => string;
  readonly holders: Holders;
  readonly signOffs: readonly (SignOffRow & { readonly counts: boolean })[];
  /** People whose denial of this digest counts. */
  readonly denials: number;
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
    const links = await readLinks(tx, row.org_id);
    const accounts = await readStanding(tx, row.org_id, [...new Set([...involved, ...links.flat()])]);
    const personOf = personsOf(
      accounts.map(({ user_id: userId, email }) => ({ userId, email })),
      links,
    );
    return standOf(row, { signOffs, askers, producers, accounts, personOf, now: this.clock.now() });
  }
}

interface Known {
  readonly signOffs: readonly SignOffRow[];
  /** Who asked for an exception, by what its quorum signs. */
  readonly askers: ReadonlyMap<string, string>;
  readonly producers: readonly string[];
  readonly accounts: readonly StandingRow[];
  readonly personOf: (userId: string) => string;
  readonly now: Date;
}

function standOf(row: RolloutRow, { signOffs, askers, producers, accounts, personOf, now }: Known): Stand {
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
  const byId = new Map(accounts.map((account) => [account.user_id, account]));
  const counted = signOffs.map((one) => {
    const account = byId.get(one.user_id);
    const age = now.getTime() - one.at.getTime();
    const counts =
      account !== undefined &&
      maySign(account) &&
      // What is signed in the future was signed by a clock that went wrong.
      age >= -60_000 &&
      age < (rules?.approvalSeconds ?? 0) * 1000 &&
      !isOwnAsk(one) &&
      conflicts(personOf(one.user_id), 'approver', others, pairs).length === 0;
    return { ...one, counts };
  });
  const votersOf = (purpose: Purpose, digest: string, decision: 'approve' | 'deny'): Voter[] =>
    counted
      .filter(
        (one) => one.purpose === purpose && one.digest === digest && one.decision === decision && one.counts,
      )
      .map((one) => ({ person: personOf(one.user_id), roles: [byId.get(one.user_id)?.role_name ?? ''] }));
  const approvers = row.digest === null ? [] : votersOf('change', row.digest, 'approve');
  // Who signed the way back is an approver of it as well.
  const backers = row.recovery_digest === null ? [] : votersOf('rollback', row.recovery_digest, 'approve');
  const holders: Holders = {
    ...others,
    approver: new Set([...approvers, ...backers].map(({ person }) => person)),
  };
  const denied = row.digest === null ? [] : votersOf('change', row.digest, 'deny');
  return {
    personOf,
    holders,
    signOffs: counted,
    denials: new Set(denied.map(({ person }) => person)).size,
    isMet: (quorum, purpose, digest) => isMet(quorum, votersOf(purpose, digest, 'approve')),
    missing: (quorum, purpose, digest) => missing(quorum, votersOf(purpose, digest, 'approve')),
    conflicts: (userId, duty) => conflicts(personOf(userId), duty, holders, pairs),
  };
}

function maySign({ active, built_in: builtIn, permissions, org_kind: kind }: StandingRow): boolean {
  return active && rolePermissions({ builtIn, permissions }, kind).has('rollout:sign-off');
}

/** What evidence of a rollout speaks of: the change, and the way back. Hex. */
export function subjectsOf(row: Pick<PlannedRow, 'digest' | 'recovery_digest'> | RolloutRow): string[] {
  return [row.digest, row.recovery_digest].filter((digest) => digest !== null).map(hexOf);
}

export const hexOf = (digest: string): string => digest.replace(/^sha256:/, '');
