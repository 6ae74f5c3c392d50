import { Injectable, Logger } from '@nestjs/common';
import { Unattended } from '#access';
import { Audit, type AuditAction, bySystem, type Changes } from '#audit';
import { Database, type SystemTx } from '#database';
import { asDeliveryFailure, DeliveryFailure } from '#egress';
import { HandlesJob, type JobFacts, JobFailure, Jobs } from '#jobs';
import { Fault } from '#kernel';
import { SecretStore } from '../secret-store.ts';
import { SecretFault } from '../secrets.faults.ts';
import { generateValue } from './generated-value.ts';
import { RotationHooks } from './rotation-hook.ts';
import { dueQueue, type RotationJob, rotationQueue } from './rotation-queues.ts';
import {
  deleteRotation,
  endRun,
  insertRun,
  lockRun,
  type OpenRun,
  readLost,
  readOver,
  readRun,
  type RetireRow,
  setOverlap,
  setRotated,
  takeDue,
} from './rotation.store.ts';

const AT_ONCE = 100;
/** Longer than all retries of a job together. */
const LOST_AFTER_SECONDS = 7_200;

/**
 * Does rotations. Every step is one transaction or may be repeated: a process that dies anywhere leaves a run that
 * goes on where it stood. The version before stays valid until the new one is written, its hook has taken the news,
 * and the overlap is over; whatever fails before leaves it so, on the record.
 */
@Injectable()
export class RotationWork {
  readonly #logger = new Logger('secrets');

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly jobs: Jobs,
    private readonly store: SecretStore,
    private readonly hooks: RotationHooks,
  ) {}

  @HandlesJob(dueQueue)
  @Unattended('schedules were set by members; what is due is known by the database')
  async lookForDue(_data: undefined, _job: JobFacts): Promise<void> {
    await this.#within(async (tx) => {
      for (const { org_id: orgId, secret_id: secretId } of await takeDue(tx, AT_ONCE)) {
        const run = await insertRun(tx, orgId, secretId);
        // Its next time was set, which needs a record either way.
        await this.#record(tx, orgId, secretId, 'secret.rotation_started', {
          run: run?.id ?? null,
          scheduled: true,
        });
        if (run) await this.jobs.enqueue(tx, rotationQueue, { orgId, runId: run.id });
      }
    });
    for (const over of await this.#within((tx) => readOver(tx, AT_ONCE))) await this.#retire(over);
    for (const { org_id: orgId, id } of await this.#within((tx) =>
      readLost(tx, LOST_AFTER_SECONDS, AT_ONCE),
    )) {
      await this.#fail(orgId, id, 'lost');
    }
  }

  @HandlesJob(rotationQueue)
  @Unattended('a member or a schedule that one had set asked for it')
  async run({ orgId, runId }: RotationJob, { attempt }: JobFacts): Promise<void> {
    try {
      const run = await this.#within((tx) => readRun(tx, orgId, runId));
      // Ended, or its schedule was taken away meanwhile.
      if (!run) return await this.#fail(orgId, runId, 'schedule_removed');
      if (run.state === 'started') await this.#rotate(run);
      const rotated = await this.#within((tx) => readRun(tx, orgId, runId));
      if (rotated?.state === 'rotated' && rotated.retire_at === null) await this.#tell(rotated);
    } catch (error) {
      const code = codeOf(error);
      const final = isFinal(error) || attempt >= rotationQueue.settings.retries;
      if (final) await this.#fail(orgId, runId, code);
      throw new JobFailure(code, final, { cause: error });
    }
  }

  async #rotate(run: OpenRun): Promise<void> {
    const { org_id: orgId, secret_id: secretId, field, hook } = run;
    if (hook) await this.hooks.send(hook, run, 'before');
    const value = generateValue(run.alphabet, run.length);
    await this.store.rotate({ orgId, secretId, field, value }, async (tx, { path, from, to, digests }) => {
      // Somebody else has done it: nothing of this is kept.
      if ((await lockRun(tx, orgId, run.id))?.state !== 'started')
        throw new DeliveryFailure('done_elsewhere');
      await setRotated(tx, run.id, { from, to }, hook ? undefined : run.overlap_seconds);
      await this.#record(tx, orgId, secretId, 'secret.rotated', {
        path,
        run: run.id,
        from: { to: from },
        version: to,
        digests,
      });
    });
  }

  async #tell(run: OpenRun): Promise<void> {
    if (run.hook) await this.hooks.send(run.hook, run, 'after');
    await this.#within(async (tx) => {
      if (!(await setOverlap(tx, run.id, run.overlap_seconds))) return;
      await this.#record(tx, run.org_id, run.secret_id, 'secret.rotation_told', { run: run.id });
    });
  }

  /** What was before goes. Where it cannot, it is looked for again. */
  async #retire({ org_id: orgId, id, secret_id: secretId, to_version: before }: RetireRow): Promise<void> {
    try {
      await this.store.retire({ orgId, secretId, before }, async (tx, { path, versions }) => {
        await endRun(tx, id);
        await this.#record(tx, orgId, secretId, 'secret.rotation_ended', {
          path,
          run: id,
          versions: [...versions],
        });
      });
    } catch (error) {
      if (!isFinal(error)) throw error;
      await this.#fail(orgId, id, codeOf(error));
    }
  }

  /** Says that a rotation did not go through. Nothing is taken from what was valid. */
  async #fail(orgId: string, runId: string, code: string): Promise<void> {
    const failed = await this.#within(async (tx) => {
      const run = await lockRun(tx, orgId, runId);
      if (!run || !(await endRun(tx, runId, code))) return false;
      const about = bySystem('secret-rotation');
      const target = { type: 'secret', id: run.secret_id };
      const changes = { run: runId, wrote: run.to_version };
      const entry = { ...about, orgId, target, outcome: 'failure', reason: code } as const;
      await this.audit.record(tx, { ...entry, action: 'secret.rotation_failed', changes });
      if (code === SecretFault.not_found.code) {
        await deleteRotation(tx, orgId, run.secret_id);
        await this.#record(tx, orgId, run.secret_id, 'secret.rotation_removed', {});
      }
      return true;
    });
    if (failed) this.#logger.error(`the rotation ${runId} of a secret failed: ${code}`);
  }

  async #record(
    tx: SystemTx,
    orgId: string,
    secretId: string,
    action: AuditAction,
    changes: Changes,
  ): Promise<void> {
    const target = { type: 'secret', id: secretId };
    await this.audit.record(tx, {
      ...bySystem('secret-rotation'),
      orgId,
      action,
      target,
      changes,
      outcome: 'success',
    });
  }

  #within<T>(work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.database.acrossOrgs('rotate_secrets', work);
  }
}

const FINAL: ReadonlySet<string> = new Set([SecretFault.unreadable.code, SecretFault.bad_fields.code]);

/** No retry brings back what is gone, nor opens what was altered. */
function isFinal(error: unknown): boolean {
  return error instanceof Fault && (error.kind === 'not_found' || FINAL.has(error.code));
}

function codeOf(error: unknown): string {
  return error instanceof Fault ? error.code : asDeliveryFailure(error).code;
}
