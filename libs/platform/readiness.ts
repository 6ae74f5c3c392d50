import { Injectable } from '@nestjs/common';
import { AuditKeys, CheckpointRounds, Forks, LogVerification } from '#audit';
import { Database, InvalidationStream } from '#database';
import type { ComponentView, ReadinessView } from './platform.contract.ts';
import { StorePosture } from '#secrets';
import { SystemFault } from './platform.faults.ts';
import { SystemState } from './state/system-state.ts';

/** What serving goes on without: only what needs a secret is refused while their store is away. */
const dispensable: ReadonlySet<string> = new Set(['secrets']);

/** Whether this process can serve: asked by load balancers, answered from what it depends on. */
@Injectable()
export class Readiness {
  constructor(
    private readonly database: Database,
    private readonly stream: InvalidationStream,
    private readonly state: SystemState,
    private readonly logs: LogVerification,
    private readonly rounds: CheckpointRounds,
    private readonly forks: Forks,
    private readonly auditKeys: AuditKeys,
    private readonly secrets: StorePosture,
  ) {}

  /** Throws `system.not_ready` with the state of each component. */
  async check(): Promise<ReadinessView> {
    const components: ComponentView[] = [
      { name: 'database', state: await this.#databaseState() },
      // Without the lease every request asks the database: slower, still right.
      { name: 'invalidations', state: this.stream.isFresh ? 'ready' : 'degraded' },
      await this.#auditState(),
      { name: 'secrets', state: this.secrets.state },
    ];
    if (components.some(({ name, state }) => state === 'down' && !dispensable.has(name))) {
      throw SystemFault.not_ready({ data: { components }, retryAfter: 1 });
    }
    if (!(await this.state.isSetUp())) {
      throw SystemFault.setup_needed({ data: { components }, retryAfter: 5 });
    }
    return { status: 'ready', components };
  }

  /**
   * Down while a log does not continue what was published of it, and until that is known. A log that was tampered with
   * is no reason to stop adding to it: serving goes on, degraded. So it does while nothing can be signed.
   */
  async #auditState(): Promise<ComponentView> {
    const name = 'audit';
    if (!this.rounds.isCompared) return { name, state: 'down', reason: 'not_compared' };
    try {
      if (await this.forks.areOpen()) return { name, state: 'down', reason: 'fork' };
      if (!(await this.logs.isSound())) return { name, state: 'degraded' };
      return this.auditKeys.canSign
        ? { name, state: 'ready' }
        : { name, state: 'degraded', reason: 'not_signing' };
    } catch {
      return { name, state: 'down' };
    }
  }

  async #databaseState(): Promise<ComponentView['state']> {
    try {
      await this.database.acrossOrgs('system_state', (tx) => tx.query('SELECT 1'));
      return 'ready';
    } catch {
      return 'down';
    }
  }
}
