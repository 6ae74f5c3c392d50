import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database, type OrgTx } from '#database';
import { type Caller, Clock, type Page, pageOf, readPage } from '#kernel';
import { planned } from '../lifecycle/moves.ts';
import { lockRollout } from '../lifecycle/rollout.store.ts';
import { found } from '../lifecycle/rollouts.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { humanOf } from '../signoff/human.ts';
import { targetFaults } from '../targets/target.store.ts';
import type {
  ExceptionRequest,
  ExceptionView,
  FreezeList,
  FreezeRequest,
  FreezeView,
  FreezeWindow,
} from './freeze.contract.ts';
import {
  deleteFreeze,
  type ExceptionRow,
  findFreeze,
  type FreezeRow,
  type FreezeSettings,
  insertFreeze,
  isClockWrong,
  listExceptions,
  lockFreeze,
  readFreezes,
  signedAs,
  storeException,
  updateFreeze,
} from './freeze.store.ts';
import { occurrenceAt, type Window, windowFault } from './freeze-window.ts';

const LONGEST_EXCEPTION_MS = 86_400_000;

/** When nothing may be rolled out. A freeze is not changed while it is in force, by nobody. */
@Injectable()
export class Freezes {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  async list(caller: Caller): Promise<FreezeList> {
    const rows = await this.database.inOrg(caller, (tx) => readFreezes(tx, tx.orgId));
    return { items: rows.map((row) => freezeView(row, this.clock.now())) };
  }

  async create(caller: Caller, request: FreezeRequest): Promise<FreezeView> {
    return this.database.inOrg(caller, async (tx) => {
      await requireTargets(tx, request.targets);
      const row = await insertFreeze(tx, request.name, settingsOf(request));
      if (!row) throw RolloutFault.freeze_exists({ errors: [{ path: 'name', message: 'is taken' }] });
      await this.#record(tx, caller, 'freeze.created', row);
      return freezeView(row, this.clock.now());
    });
  }

  /** Faults: `rollout.freeze_active`, `rollout.freeze_bad`. */
  async change(caller: Caller, id: string, request: FreezeWindow): Promise<FreezeView> {
    return this.database.inOrg(caller, async (tx) => {
      await this.#idle(tx, id);
      await requireTargets(tx, request.targets);
      const row = await updateFreeze(tx, id, settingsOf(request));
      if (!row) throw RolloutFault.freeze_not_found();
      await this.#record(tx, caller, 'freeze.updated', row);
      return freezeView(row, this.clock.now());
    });
  }

  async remove(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      const row = await this.#idle(tx, id);
      await deleteFreeze(tx, id);
      await this.audit.append(tx, caller, {
        action: 'freeze.deleted',
        target: { type: 'freeze', id },
        changes: { name: { from: row.name } },
      });
    });
  }

  /** Asks for an exception for one plan; it holds once the quorum for freezes has signed it, until it ends. */
  async except(caller: Caller, freezeId: string, request: ExceptionRequest): Promise<ExceptionView> {
    const now = this.clock.now().getTime();
    const expiresAt = new Date(request.expiresAt);
    if (expiresAt.getTime() <= now || expiresAt.getTime() > now + LONGEST_EXCEPTION_MS) {
      const message = 'must lie ahead, at most a day';
      throw RolloutFault.freeze_bad({ errors: [{ path: 'expiresAt', message }] });
    }
    return this.database.inOrg(caller, async (tx) => {
      if (!(await lockFreeze(tx, freezeId))) throw RolloutFault.freeze_not_found();
      const row = planned(await found(lockRollout(tx, tx.orgId, request.rolloutId)));
      const id = await storeException(tx, this.clock.now(), {
        freezeId,
        rolloutId: row.id,
        digest: row.digest,
        reason: request.reason,
        askedBy: humanOf(caller),
        expiresAt,
      });
      if (id === '') {
        const message = 'was asked for, for this plan, and has not ended';
        throw RolloutFault.freeze_bad({ errors: [{ path: 'rolloutId', message }] });
      }
      await this.audit.append(tx, caller, {
        action: 'freeze.exception_asked',
        target: { type: 'freeze', id: freezeId },
        changes: {
          rollout: { to: row.id },
          digest: { to: row.digest },
          expiresAt: { to: expiresAt.toISOString() },
        },
      });
      return exceptionView({
        id,
        freeze_id: freezeId,
        rollout_id: row.id,
        digest: row.digest,
        reason: request.reason,
        asked_by: humanOf(caller),
        expires_at: expiresAt,
      });
    });
  }

  /** What is asked for, so that whoever signs sees what. */
  async exceptions(
    caller: Caller,
    freezeId: string,
    query: { limit?: number; cursor?: string },
  ): Promise<Page<ExceptionView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, async (tx) => {
      if (!(await findFreeze(tx, freezeId))) throw RolloutFault.freeze_not_found();
      return listExceptions(tx, freezeId, limit + 1, before);
    });
    return pageOf(rows, limit, exceptionView);
  }

  async #idle(tx: OrgTx, id: string): Promise<FreezeRow> {
    const row = await lockFreeze(tx, id);
    if (!row) throw RolloutFault.freeze_not_found();
    // Whose clock is wrong does not know whether it is in force.
    const now = this.clock.now();
    if (inForce(row, now.getTime()).active || (await isClockWrong(tx, now)))
      throw RolloutFault.freeze_active();
    return row;
  }

  async #record(
    tx: OrgTx,
    caller: Caller,
    action: 'freeze.created' | 'freeze.updated',
    row: FreezeRow,
  ): Promise<void> {
    await this.audit.append(tx, caller, {
      action,
      target: { type: 'freeze', id: row.id },
      changes: {
        name: { to: row.name },
        start: { to: row.start },
        timeZone: { to: row.time_zone },
        rule: { to: row.rule },
        durationSeconds: { to: row.duration_seconds },
        targets: { to: row.target_ids },
        environments: { to: row.environments },
        effects: { to: row.effects },
      },
    });
  }
}

/** A freeze of what does not exist would hold nothing, and nobody would know. */
async function requireTargets(tx: OrgTx, targets: readonly string[] = []): Promise<void> {
  const errors = await targetFaults(tx, targets, 'targets');
  if (errors.length > 0) throw RolloutFault.freeze_bad({ errors });
}

function settingsOf(request: FreezeWindow): FreezeSettings {
  const window = {
    start: request.start,
    timeZone: request.timeZone,
    rule: request.rule,
    durationSeconds: request.durationSeconds,
  };
  const wrong = windowFault(window);
  if (wrong !== undefined) {
    throw RolloutFault.freeze_bad({ errors: [{ path: wrong.split(' ')[0] ?? '', message: wrong }] });
  }
  return {
    window,
    targets: request.targets ?? [],
    environments: request.environments ?? [],
    effects: request.effects ?? [],
  };
}

export function windowOf(row: FreezeRow): Window {
  return {
    start: row.start,
    timeZone: row.time_zone,
    rule: row.rule ?? undefined,
    durationSeconds: row.duration_seconds,
  };
}

/** Whether the freeze is in force, and until when; what cannot be computed is. */
export function inForce(row: FreezeRow, now: number): { active: boolean; until: number | undefined } {
  try {
    const occurrence = occurrenceAt(windowOf(row), now);
    return { active: occurrence !== undefined, until: occurrence?.to };
  } catch {
    return { active: true, until: undefined };
  }
}

function freezeView(row: FreezeRow, now: Date): FreezeView {
  const { active, until } = inForce(row, now.getTime());
  return {
    id: row.id,
    name: row.name,
    start: row.start,
    timeZone: row.time_zone,
    rule: row.rule,
    durationSeconds: row.duration_seconds,
    targets: row.target_ids,
    environments: row.environments,
    effects: row.effects,
    active,
    until: until === undefined ? null : new Date(until).toISOString(),
  };
}

function exceptionView(row: ExceptionRow): ExceptionView {
  return {
    id: row.id,
    sign: signedAs(row),
    rolloutId: row.rollout_id,
    digest: row.digest,
    reason: row.reason,
    askedBy: row.asked_by,
    expiresAt: row.expires_at.toISOString(),
  };
}
