import { Injectable } from '@nestjs/common';
import { Audit, type AuditNote, bySystem } from '#audit';
import type { OrgTx, SystemTx } from '#database';
import { type Caller, Clock, newId } from '#kernel';
import {
  type Cause,
  insertTransitions,
  readSubjects,
  type StateWrite,
  type Subject,
  type Transition,
  writeStates,
} from './projection.store.ts';
import { expiries, expiryOf, momentOf, saysTheSame, type Snapshot, type Step } from './snapshot.ts';

/** Changes of one subject that are to be recorded, and what it is after them. */
interface Outcome {
  readonly state: StateWrite;
  readonly transitions: Transition[];
}

/**
 * Keeps the history of verdicts: each change with its cause, in the transaction of what caused it. What time alone
 * changed before is recorded first, at the moment it happened.
 */
@Injectable()
export class Recorder {
  constructor(
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** Call with the surfaces as they were before the change, which must be locked, and again after it: see `after`. */
  async before(tx: OrgTx, ids: readonly string[]): Promise<ReadonlyMap<string, Subject>> {
    return new Map((await readSubjects(tx, ids)).map((subject) => [subject.id, subject]));
  }

  /** Records what a caller's change of these surfaces made of their verdicts. */
  async after(
    tx: OrgTx,
    caller: Caller,
    ids: readonly string[],
    before: ReadonlyMap<string, Subject>,
    cause: Cause,
  ): Promise<void> {
    const now = this.clock.now().getTime();
    const outcomes = (await readSubjects(tx, ids)).map((subject) =>
      outcomeOf(subject, before.get(subject.id), { ...cause, requestId: caller.request.id }, now),
    );
    await this.#write(tx, outcomes);
    const notes = outcomes.flatMap(({ transitions }) => transitions.map(noteOf));
    if (notes.length > 0) await this.audit.appendAll(tx, caller, notes);
  }

  /** Records what time, or an observation of the deployment itself, made of verdicts. Answers of how many. */
  async observe(tx: SystemTx, subjects: readonly Subject[], cause: Cause): Promise<number> {
    const now = this.clock.now().getTime();
    const outcomes = subjects.map((subject) => outcomeOf(subject, subject, cause, now));
    const changed = outcomes.filter(({ transitions }) => transitions.length > 0);
    for (const { state, transitions } of changed) {
      for (const transition of transitions) {
        await this.audit.record(tx, {
          ...bySystem('projection'),
          ...noteOf(transition),
          orgId: state.orgId,
          outcome: 'success',
        });
      }
    }
    if (changed.length > 0) await this.#write(tx, changed);
    return changed.length;
  }

  async #write(tx: OrgTx | SystemTx, outcomes: readonly Outcome[]): Promise<void> {
    await writeStates(
      tx,
      outcomes.map(({ state }) => state),
    );
    await insertTransitions(
      tx,
      outcomes.flatMap(({ transitions }) => transitions),
    );
  }
}

/** `before`: the subject as it was; its facts expired by those inputs, not by the new ones. */
function outcomeOf(subject: Subject, before: Subject | undefined, cause: Cause, now: number): Outcome {
  const { id: surfaceId, orgId, recorded } = subject;
  const steps: (Step & { cause: Cause })[] = before
    ? expiries(before, recorded?.snapshot, recorded?.expiresAt, now).map((step) => ({
        ...step,
        cause: { type: 'expiry' },
      }))
    : [];
  const last = steps.at(-1)?.snapshot ?? recorded?.snapshot;
  const moment = momentOf(subject, last, now);
  if (!last || !saysTheSame(last, moment.snapshot)) steps.push({ at: now, ...moment, cause });
  let previous: Snapshot | undefined = recorded?.snapshot;
  // Those made in one millisecond are in no order by themselves.
  const ids = steps.map(newId).sort();
  const transitions = steps.map(({ at, snapshot, cause: by }, n) => {
    const fromVerdict = previous?.verdict ?? null;
    previous = snapshot;
    return {
      id: ids[n] ?? newId(),
      orgId,
      surfaceId,
      at: new Date(at).toISOString(),
      cause: by,
      fromVerdict,
      snapshot,
    };
  });
  const ends = expiryOf(moment.projection);
  const expiresAt = ends === undefined ? null : new Date(ends).toISOString();
  return { state: { orgId, surfaceId, snapshot: moment.snapshot, expiresAt }, transitions };
}

function noteOf({ surfaceId, cause, fromVerdict, snapshot }: Transition): AuditNote {
  return {
    action: 'projection.changed',
    target: { type: 'surface', id: surfaceId },
    reason: cause.type,
    changes: {
      verdict: { ...(fromVerdict !== null && { from: fromVerdict }), to: snapshot.verdict },
      reasons: { to: [...snapshot.reasons] },
    },
  };
}
