import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database, type OrgTx } from '#database';
import { Jobs } from '#jobs';
import type { Caller, InputError } from '#kernel';
import { fieldFault, readReference } from '../reference.ts';
import { SecretStore } from '../secret-store.ts';
import { SecretFault } from '../secrets.faults.ts';
import type { RotationRunView, RotationView, SetRotationRequest } from './rotation.contract.ts';
import { rotationQueue } from './rotation-queues.ts';
import {
  deleteRotation,
  insertRun,
  readRotation,
  readRuns,
  type RotationRow,
  type RunRow,
  upsertRotation,
} from './rotation.store.ts';

const RUNS_SHOWN = 20;
const LENGTH = 40;

/** How secrets of an organization are rotated, for its members. */
@Injectable()
export class Rotations {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly jobs: Jobs,
    private readonly store: SecretStore,
  ) {}

  async set(caller: Caller, secretId: string, request: SetRotationRequest): Promise<RotationView> {
    requireRotation(request);
    const { path } = await this.store.describe(caller, { id: secretId });
    const { field, everySeconds, overlapSeconds, length = LENGTH, alphabet = 'alphanumeric', hook } = request;
    return this.database.inOrg(caller, async (tx) => {
      const row = await upsertRotation(tx, secretId, {
        field,
        length,
        alphabet,
        every_seconds: everySeconds ?? null,
        overlap_seconds: overlapSeconds,
        hook: hook ?? null,
      });
      if (!row) throw SecretFault.no_rotation();
      await this.audit.append(tx, caller, {
        action: 'secret.rotation_set',
        target: { type: 'secret', id: secretId },
        changes: {
          path,
          field,
          everySeconds: everySeconds ?? null,
          overlapSeconds,
          length,
          alphabet,
          hook: hook ? { to: hook.url } : null,
        },
      });
      return viewOf(row, await readRuns(tx, secretId, RUNS_SHOWN));
    });
  }

  async read(caller: Caller, secretId: string): Promise<RotationView> {
    return this.database.inOrg(caller, async (tx) =>
      viewOf(await this.#require(tx, secretId), await readRuns(tx, secretId, RUNS_SHOWN)),
    );
  }

  async remove(caller: Caller, secretId: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      if (!(await deleteRotation(tx, tx.orgId, secretId))) throw SecretFault.no_rotation();
      await this.audit.append(tx, caller, {
        action: 'secret.rotation_removed',
        target: { type: 'secret', id: secretId },
      });
    });
  }

  /** At once, beside the schedule. */
  async start(caller: Caller, secretId: string): Promise<RotationRunView> {
    return this.database.inOrg(caller, async (tx) => {
      await this.#require(tx, secretId);
      const run = await insertRun(tx, tx.orgId, secretId);
      if (!run) throw SecretFault.rotation_running();
      await this.audit.append(tx, caller, {
        action: 'secret.rotation_started',
        target: { type: 'secret', id: secretId },
        changes: { run: run.id, scheduled: false },
      });
      await this.jobs.enqueue(tx, rotationQueue, { orgId: tx.orgId, runId: run.id });
      return runView(run);
    });
  }

  async #require(tx: OrgTx, secretId: string): Promise<RotationRow> {
    const row = await readRotation(tx, secretId);
    if (!row) throw SecretFault.no_rotation();
    return row;
  }
}

/** Fault: `secrets.bad_rotation`, with every fault in it. */
function requireRotation({ field, everySeconds, overlapSeconds, hook }: SetRotationRequest): void {
  const errors: InputError[] = [];
  const wrong = fieldFault(field);
  if (wrong !== undefined) errors.push({ path: 'field', message: wrong });
  if (everySeconds !== undefined && overlapSeconds > everySeconds) {
    errors.push({ path: 'overlapSeconds', message: 'must not be more than everySeconds' });
  }
  if (hook) {
    const url = URL.canParse(hook.url) ? new URL(hook.url) : undefined;
    if (
      !url ||
      !/^https?:$/.test(url.protocol) ||
      url.username !== '' ||
      url.password !== '' ||
      url.hash !== ''
    ) {
      const message = 'must be a URL that begins with https://, without user, password and fragment';
      errors.push({ path: 'hook.url', message });
    }
    if (!readReference(hook.hmacKey)) {
      const message = 'must be a reference (secret://<path>#<field>), never the secret itself';
      errors.push({ path: 'hook.hmacKey', message });
    }
  }
  if (errors.length > 0) throw SecretFault.bad_rotation({ errors });
}

function viewOf(row: RotationRow, runs: readonly RunRow[]): RotationView {
  return {
    field: row.field,
    overlapSeconds: row.overlap_seconds,
    length: row.length,
    alphabet: row.alphabet,
    ...(row.every_seconds !== null && { everySeconds: row.every_seconds }),
    ...(row.hook && { hook: row.hook }),
    ...(row.next_at && { nextAt: row.next_at.toISOString() }),
    runs: runs.map(runView),
  };
}

function runView(run: RunRow): RotationRunView {
  return {
    id: run.id,
    state: run.state,
    startedAt: run.started_at.toISOString(),
    ...(run.from_version !== null && { fromVersion: run.from_version }),
    ...(run.to_version !== null && { toVersion: run.to_version }),
    ...(run.retire_at && { retireAt: run.retire_at.toISOString() }),
    ...(run.ended_at && { endedAt: run.ended_at.toISOString() }),
    ...(run.failure !== null && { failure: run.failure }),
  };
}
