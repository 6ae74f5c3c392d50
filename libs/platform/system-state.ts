import { Injectable } from '@nestjs/common';
import { SystemGate } from '#access';
import { Database } from '#database';
import { Clock, type Fault, newId, StartError } from '#kernel';
import { MasterKey } from '#secrets';
import { SystemFault } from './platform.faults.ts';

/** Another process may set the system up; while it is not, we look again this often. */
const LOOK_AGAIN_MS = 500;

/** The state of the deployment: `setup-needed`, then `operational`. The guard asks it first. */
@Injectable()
export class SystemState extends SystemGate {
  #setUp = false;
  #lookedAt = -Infinity;

  constructor(
    private readonly database: Database,
    private readonly masterKey: MasterKey,
    private readonly clock: Clock,
  ) {
    super();
  }

  /** First thing at start: makes the deployment's row, or takes the master key that the database is of
   * out of those this process has; refuses where it has not that one. */
  async open(): Promise<void> {
    await this.database.acrossOrgs('system_state', async (tx) => {
      await tx.query('INSERT INTO deployment (id, master_key_check) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
        newId(),
        this.masterKey.checkValue,
      ]);
      const row = await tx.one<{ master_key_check: string }>('SELECT master_key_check FROM deployment');
      if (!row || !this.masterKey.establish(row.master_key_check)) {
        throw new StartError(
          'the master key is not the one this database was set up with; nothing was written',
        );
      }
    });
    await this.isSetUp();
  }

  async isSetUp(): Promise<boolean> {
    if (this.#setUp) return true;
    if (this.clock.monotonic() - this.#lookedAt < LOOK_AGAIN_MS) return false;
    this.#lookedAt = this.clock.monotonic();
    const row = await this.database.acrossOrgs('system_state', (tx) =>
      tx.one<{ set_up_at: Date | null }>('SELECT set_up_at FROM deployment'),
    );
    this.#setUp = (row?.set_up_at ?? null) !== null;
    return this.#setUp;
  }

  markSetUp(): void {
    this.#setUp = true;
  }

  refusal({ duringSetup }: { duringSetup: boolean }): Fault | undefined | Promise<Fault | undefined> {
    if (this.#setUp || duringSetup) return undefined;
    return this.isSetUp().then((done) => (done ? undefined : SystemFault.setup_needed({ retryAfter: 5 })));
  }
}
