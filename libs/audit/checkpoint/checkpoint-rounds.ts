import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Database } from '#database';
import { Fault } from '#kernel';
import { AuditConfig } from '../audit.config.ts';
import { AuditFault } from '../audit.faults.ts';
import { SearchIndex } from '../search/search-index.ts';
import { isFinding, OrgTrees } from '../tree/org-trees.ts';
import { WIDTH } from '../tree/tiles.ts';
import { everyLog, type LogHead, takeRound } from './checkpoint.store.ts';
import { Checkpoints } from './checkpoints.ts';

/** Tiles that one round compares with the log again: ten thousand events, a tenth of a second's work. */
const CHECKED_TILES = 40;
const AT_ONCE = 4;
const COMPARED_AGAIN_MS = 5_000;

/**
 * Signs and publishes a checkpoint of each log that has grown, at an interval; and looks at some of what was sealed
 * long ago, here and there, for nobody else may ask for it. Any number of processes may run it; one does at a time.
 */
@Injectable()
export class CheckpointRounds implements OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  #isCompared = true;

  constructor(
    private readonly database: Database,
    private readonly checkpoints: Checkpoints,
    private readonly trees: OrgTrees,
    private readonly search: SearchIndex,
    private readonly config: AuditConfig,
  ) {}

  /**
   * Compares all that is anchored, in every process when it starts; again after a while where something could not be
   * read. Never rejects.
   */
  async compare(onFailure: (error: unknown) => void): Promise<void> {
    clearTimeout(this.#again);
    this.#isCompared = false;
    let unread = false;
    const hear = (error: unknown): void => {
      unread ||= !isFinding(error);
      onFailure(error);
    };
    await this.checkpoints.compareAnchored(hear).catch(hear);
    this.#isCompared = !unread;
    if (!unread) return;
    this.#again = setTimeout(() => void this.compare(onFailure), COMPARED_AGAIN_MS);
    this.#again.unref();
  }

  /** False while nobody knows whether the database is the one that was published. */
  get isCompared(): boolean {
    return this.#isCompared;
  }

  /** A round at each interval. */
  start(onFailure: (error: unknown) => void): void {
    let busy = false;
    const alone = (work: () => Promise<void>): void => {
      if (busy) return;
      busy = true;
      void work()
        .catch(onFailure)
        .finally(() => (busy = false));
    };
    this.#timer = setInterval(
      () =>
        alone(async () => {
          if (await this.#takeTurn()) await this.round(onFailure);
        }),
      this.config.checkpointSeconds * 1_000,
    );
    this.#timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#again);
  }

  /** One round. What is wrong with one log does not keep the others. */
  async round(onFailure: (error: unknown) => void): Promise<void> {
    let tiles = CHECKED_TILES;
    let told = false;
    /** What signs is away: that is said once, and all but the signing goes on. */
    const orUnsigned = (error: unknown): void => {
      if (!(error instanceof Fault && error.code === AuditFault.signer_unavailable.code)) throw error;
      if (!told) onFailure(error);
      told = true;
    };
    for await (const head of everyLog(this.database, 'audit_checkpoints')) {
      if (!this.#isDue(head)) continue;
      try {
        const issued = await this.checkpoints.issue(head.orgId).catch(orUnsigned);
        if (issued) await this.checkpoints.publish(head.orgId, issued);
        if (tiles > 0) tiles -= await this.#lookAgain(head);
      } catch (error) {
        onFailure(error);
      }
    }
    await this.search.keepUp().catch(onFailure);
  }

  /** After a little less than the interval, for timers are not exact. */
  #takeTurn(): Promise<boolean> {
    const seconds = this.config.checkpointSeconds * 0.9;
    return this.database.acrossOrgs('audit_checkpoints', (tx) => takeRound(tx, seconds));
  }

  /** It has grown; or somebody has asked for a checkpoint that is not published yet. */
  #isDue({ size, signed, signedAgo }: LogHead): boolean {
    return size !== signed || (this.checkpoints.publishes && signedAgo < 3 * this.config.checkpointSeconds);
  }

  /** Compares a few tiles anywhere in the log; how many. */
  async #lookAgain({ orgId, size }: LogHead): Promise<number> {
    const sealed = Math.floor(size / WIDTH);
    if (sealed === 0) return 0;
    await this.trees.check(orgId, Math.floor(Math.random() * sealed), AT_ONCE);
    return AT_ONCE;
  }
}
