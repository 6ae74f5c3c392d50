import { statfs } from 'node:fs/promises';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Audit, bySystem, Forks } from '#audit';
import { Database } from '#database';
import { ping, readPlatformOrg } from './state.store.ts';
import { type ReadOnlyReason, SystemState } from './system-state.ts';

const EVERY_MS = 5_000;
const MEGABYTE = 1024 * 1024;

/** What the watch takes from the configuration. */
export class WatchConfig {
  constructor(
    /** The directory whose disk is watched; none is where unset. */
    readonly dataDir?: string,
    /** Megabytes that must stay free on it. */
    readonly reserveMegabytes = 256,
  ) {}
}

/** Ends the transaction of a probe with nothing written. */
class TakenBack extends Error {}

/**
 * Looks for what makes a change unsafe: a disk that would soon be full, an audit log that takes no records, a log that
 * is behind what was published of it. While it stands this process takes no changes; it ends by itself with its cause.
 */
@Injectable()
export class SystemWatch implements OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly config: WatchConfig,
    private readonly state: SystemState,
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly forks: Forks,
  ) {}

  /** The first look is over when this answers. */
  async start(onFailure: (error: unknown) => void): Promise<void> {
    const look = (): Promise<void> => this.look().catch(onFailure);
    await look();
    this.#timer = setInterval(() => void look(), EVERY_MS);
    this.#timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
  }

  /** Where the database is away nothing new is known of it; every change then fails by itself. */
  async look(): Promise<void> {
    const found = [await this.#disk(), await this.#log(), await this.#restore()];
    this.state.found(found.filter((one) => one !== undefined));
  }

  async #disk(): Promise<ReadOnlyReason | undefined> {
    const { dataDir, reserveMegabytes } = this.config;
    if (dataDir === undefined || reserveMegabytes === 0) return undefined;
    const { bavail, bsize } = await statfs(dataDir);
    const free = Math.floor((bavail * bsize) / MEGABYTE);
    if (free >= reserveMegabytes) return undefined;
    return { code: 'disk_nearly_full', detail: `${free} MB are free, ${reserveMegabytes} are to stay free` };
  }

  /** Writes a record as every change does, and takes it back. */
  async #log(): Promise<ReadOnlyReason | undefined> {
    if (!(await this.state.isSetUp())) return undefined;
    try {
      await this.database.acrossOrgs('system_state', async (tx) => {
        const platform = await readPlatformOrg(tx);
        if (!platform) return;
        await this.audit.record(tx, {
          ...bySystem('system-watch'),
          orgId: platform.id,
          action: 'audit.verified',
          target: { type: 'audit_log', id: platform.id },
          outcome: 'success',
        });
        throw new TakenBack();
      });
      return undefined;
    } catch (error) {
      if (error instanceof TakenBack) return undefined;
      const answers = await this.database.acrossOrgs('system_state', ping).then(
        () => true,
        () => false,
      );
      if (!answers) return undefined;
      return { code: 'audit_unwritable', detail: 'the audit log takes no records' };
    }
  }

  async #restore(): Promise<ReadOnlyReason | undefined> {
    if (!(await this.forks.areOpen())) return undefined;
    const detail = 'an audit log does not continue what was published of it; see /platform/audit-forks';
    return { code: 'restored_behind', detail };
  }
}
