import { Injectable, Logger } from '@nestjs/common';
import { Database, type SystemTx } from '#database';
import { type Caller, callerIn, newId, type Page, pageOf, readPage } from '#kernel';
import { AuditFault } from '../audit.faults.ts';
import { Audit } from '../audit.ts';
import { AuditKeys } from '../checkpoint/audit-keys.ts';
import { signedText } from '../checkpoint/note.ts';
import { readCheckpointsUpTo } from '../checkpoint/checkpoint.store.ts';
import { rewindLanes } from '../sinks/sink-lane.store.ts';
import { endForkFindings } from '../tree/finding.store.ts';
import { Altered, Tree } from '../tree/tree.ts';
import type { ForkView } from './fork.contract.ts';
import {
  acknowledgeForks,
  type ForkRow,
  hasOpenFork,
  type Head,
  insertFork,
  lockForks,
  readForks,
  readOpenFork,
} from './fork.store.ts';

/** Checkpoints that are looked through for one that still holds. */
const COMPARED = 100;
/** A root that could not be computed, for the log does not agree with itself either. */
const UNKNOWN = Buffer.alloc(32);

/**
 * Logs that do not continue what was published of them, as after a restore. A fork is put on record, signed; until an
 * operator of the platform acknowledges it, its log is neither exported nor signed, and no process is ready.
 */
@Injectable()
export class Forks {
  readonly #logger = new Logger('audit');

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly keys: AuditKeys,
  ) {}

  /** Puts it on record, once while it is open. `before`: what was published. */
  async mark(orgId: string, before: Head): Promise<void> {
    const now = await this.database.acrossOrgs('audit_forks', async (tx) =>
      (await readOpenFork(tx, orgId)) ? undefined : headOf(tx, orgId),
    );
    if (!now) return;
    const note = await this.#noteOf(orgId, before, now);
    await this.database.acrossOrgs('audit_forks', async (tx) => {
      await lockForks(tx, orgId);
      if (await readOpenFork(tx, orgId)) return;
      const id = newId();
      await this.audit.record(tx, {
        orgId,
        actor: { type: 'system', id: 'audit' },
        action: 'audit.fork_marked',
        target: { type: 'audit_log', id: orgId },
        outcome: 'failure',
        request: { id, method: 'JOB', route: 'audit' },
        changes: {
          fork: { to: id },
          oldSize: { to: before.size },
          oldRoot: { to: before.root.toString('hex') },
          newSize: { to: now.size },
          newRoot: { to: now.root.toString('hex') },
        },
      });
      await insertFork(tx, { orgId, id, before, now, note });
      this.#logger.error(
        `the audit log of organization ${orgId} had ${before.size} positions when it was published and has ` +
          `${now.size}, or others: no process is ready until an operator acknowledges it`,
      );
    });
  }

  /**
   * No checkpoint, for its origin is not that of the log: what was published, and below it what is there. Without a
   * signature where what signs is away: that a fork is on record matters more.
   */
  async #noteOf(orgId: string, before: Head, now: Head): Promise<string> {
    const heads = `${linesOf(before)}${linesOf(now)}`;
    try {
      const keys = await this.keys.signing();
      return await this.keys.sign(`${keys.name}/orgs/${orgId}/audit/fork\n${heads}`, keys);
    } catch (error) {
      this.#logger.warn(error);
      return signedText(`orgs/${orgId}/audit/fork\n${heads}`, []);
    }
  }

  async areOpen(): Promise<boolean> {
    return this.database.acrossOrgs('audit_forks', hasOpenFork);
  }

  async list(caller: Caller, query: { limit: number; cursor?: string }): Promise<Page<ForkView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.acrossOrgsFor('acknowledge_fork', caller, (tx) =>
      readForks(tx, limit + 1, before),
    );
    return pageOf(rows, limit, viewOf);
  }

  /** The log goes on from here, with the fork on record in it and in the platform's. Fault: `audit.fork_not_found`. */
  async acknowledge(caller: Caller, orgId: string, reason: string): Promise<ForkView> {
    return this.database.acrossOrgsFor('acknowledge_fork', caller, async (tx) => {
      await lockForks(tx, orgId);
      const [fork] = await acknowledgeForks(tx, orgId, caller.userId ?? caller.id, reason);
      if (!fork) throw AuditFault.fork_not_found();
      await endForkFindings(tx, orgId);
      await rewindLanes(tx, orgId, await sizeInCommon(tx, orgId));
      for (const log of new Set([orgId, caller.org.id])) {
        await this.audit.append(tx, callerIn(caller, { ...caller.org, id: log }), {
          action: 'audit.fork_acknowledged',
          target: { type: 'audit_log', id: orgId },
          changes: {
            fork: { to: fork.id },
            oldSize: { to: Number(fork.old_size) },
            newSize: { to: Number(fork.new_size) },
            reason: { to: reason },
          },
        });
      }
      return viewOf(fork);
    });
  }
}

const linesOf = ({ size, root }: Head): string => `${size}\n${root.toString('base64')}\n`;

async function headOf(tx: SystemTx, orgId: string): Promise<Head> {
  const tree = await Tree.open(tx, orgId);
  try {
    return { size: tree.size, root: await tree.rootAt(tree.size) };
  } catch (error) {
    if (error instanceof Altered) return { size: tree.size, root: UNKNOWN };
    throw error;
  }
}

/** Up to where the log is certainly what it was: the largest checkpoint that it still continues. */
async function sizeInCommon(tx: SystemTx, orgId: string): Promise<number> {
  const tree = await Tree.open(tx, orgId);
  for (const { size, root } of await readCheckpointsUpTo(tx, orgId, tree.size, COMPARED)) {
    try {
      if ((await tree.rootAt(size)).equals(root)) return size;
    } catch (error) {
      if (!(error instanceof Altered)) throw error;
    }
  }
  return 0;
}

function viewOf(row: ForkRow): ForkView {
  return {
    id: row.id,
    organizationId: row.org_id,
    oldSize: Number(row.old_size),
    oldRoot: row.old_root.toString('hex'),
    newSize: Number(row.new_size),
    newRoot: row.new_root.toString('hex'),
    note: row.note,
    foundAt: row.found_at.toISOString(),
    ...(row.acknowledged_at && {
      acknowledgedAt: row.acknowledged_at.toISOString(),
      acknowledgedBy: row.acknowledged_by ?? '',
      reason: row.reason ?? '',
    }),
  };
}
