import { Injectable } from '@nestjs/common';
import { AuditKeys, CheckpointRounds, Forks, LogVerification } from '#audit';
import { Database } from '#database';
import { Clock } from '#kernel';
import { type OwnSurface, OwnSurfaces } from '#projection';
import { MasterKey } from '#secrets';
import { readPlatformOrg } from '../state/state.store.ts';
import { SystemState } from '../state/system-state.ts';
import { type Observation, type OwnSurfaceKey, ownSurfaceKeys, ownSurfaceOf } from './own-surfaces.ts';
import {
  readIntakeHealth,
  readMasterKeyCheck,
  readRolloutHealth,
  readSinkHealth,
  readWorkerSilence,
} from './posture.store.ts';

/** Anybody may ask where summaries are public, so what was observed is told for a while. */
const TOLD_MS = 2_000;
/** Workers look after the queues every ten seconds or so. */
const WORKER_SILENT_S = 90;

/** What the deployment is, observed when it is asked for. Nothing is stored; what could not be observed is unknown. */
@Injectable()
export class SelfPosture extends OwnSurfaces {
  #observed: { readonly at: number; readonly surfaces: Promise<readonly OwnSurface[]> } | undefined;

  constructor(
    private readonly database: Database,
    private readonly state: SystemState,
    private readonly masterKey: MasterKey,
    private readonly logs: LogVerification,
    private readonly rounds: CheckpointRounds,
    private readonly forks: Forks,
    private readonly auditKeys: AuditKeys,
    private readonly clock: Clock,
  ) {
    super();
  }

  async of({ kind }: { kind: string }): Promise<readonly OwnSurface[]> {
    return kind === 'platform' ? this.all() : [];
  }

  async all(): Promise<readonly OwnSurface[]> {
    const at = this.clock.monotonic();
    const known = this.#observed;
    if (known && at - known.at < TOLD_MS && at >= known.at) return known.surfaces;
    const surfaces = this.#observe();
    this.#observed = { at, surfaces };
    // A failure is nothing to remember.
    surfaces.catch(() => (this.#observed = undefined));
    return surfaces;
  }

  async #observe(): Promise<readonly OwnSurface[]> {
    const org = await this.database.acrossOrgs('system_state', readPlatformOrg);
    if (!org) return [];
    const [readOnly, facts, audit] = await Promise.all([
      this.state.readOnlyReasons(),
      this.database.acrossOrgs('system_state', async (tx) => ({
        sinks: await readSinkHealth(tx),
        masterKeyCheck: await readMasterKeyCheck(tx),
        workerSilence: await readWorkerSilence(tx),
        intake: await readIntakeHealth(tx, this.clock.now()),
        rollouts: await readRolloutHealth(tx, this.clock.now()),
      })),
      this.#audit().catch((): Observation => 'unknown'),
    ]);
    const { sinks, masterKeyCheck, workerSilence, intake, rollouts } = facts;
    const works = workerSilence !== undefined && workerSilence < WORKER_SILENT_S;
    const built: Partial<Record<OwnSurfaceKey, Observation>> = {
      rest: readOnly.length > 0 ? 'suspended' : 'up',
      worker: works ? 'up' : 'down',
      // It has answered just now.
      database: 'up',
      'audit-log': audit,
      secrets: masterKeyCheck === this.masterKey.checkValue ? 'up' : 'down',
      sinks: sinks.sinks === 0 ? 'planned' : sinks.broken + sinks.dead === 0 ? 'up' : 'down',
      // Both are worked off: without a worker nothing of them goes on.
      'gitea-intake':
        intake.hooks === 0 ? 'planned' : works && intake.behind + intake.dead === 0 ? 'up' : 'down',
      rollouts:
        rollouts.policies === 0
          ? 'planned'
          : works && rollouts.stuck + rollouts.overdue === 0
            ? 'up'
            : 'down',
    };
    const now = this.clock.now().getTime();
    return ownSurfaceKeys.map((key) => ownSurfaceOf(key, built[key] ?? 'planned', org, now));
  }

  async #audit(): Promise<Observation> {
    if (!this.rounds.isCompared) return 'unknown';
    if (await this.forks.areOpen()) return 'down';
    return (await this.logs.isSound()) && this.auditKeys.canSign ? 'up' : 'down';
  }
}
