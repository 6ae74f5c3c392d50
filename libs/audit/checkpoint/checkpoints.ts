import { Injectable } from '@nestjs/common';
import { Database, type SystemTx } from '#database';
import { AuditConfig } from '../audit.config.ts';
import { AuditFault } from '../audit.faults.ts';
import { isGivenUp } from '../fork/fork.store.ts';
import { Forks } from '../fork/forks.ts';
import { Findings } from '../tree/findings.ts';
import { OrgTrees } from '../tree/org-trees.ts';
import { Forked, Tree } from '../tree/tree.ts';
import { AnchorDirectory, compareWithAnchor } from './anchor.ts';
import { AuditKeys } from './audit-keys.ts';
import {
  type Checkpoint,
  insertCheckpoint,
  lockCheckpoints,
  readLastCheckpoint,
} from './checkpoint.store.ts';
import { openNote, signedNote, type TreeHead } from './note.ts';

/** Issues checkpoints: of a log that continues all that was signed of it before, and of no other. */
@Injectable()
export class Checkpoints {
  readonly #anchor: AnchorDirectory | undefined;

  constructor(
    private readonly database: Database,
    private readonly trees: OrgTrees,
    private readonly findings: Findings,
    private readonly forks: Forks,
    private readonly keys: AuditKeys,
    config: AuditConfig,
  ) {
    this.#anchor = config.anchorDir === undefined ? undefined : new AnchorDirectory(config.anchorDir);
  }

  /**
   * The checkpoint of the log as it is now: the one issued last where it has not grown.
   * Faults: `audit.fork_detected`, `audit.log_altered`, `audit.anchor_unreadable`.
   */
  async issue(orgId: string): Promise<Checkpoint> {
    await this.compare(orgId);
    await this.trees.extend(orgId);
    return this.#orFork(orgId, () =>
      this.database.acrossOrgs('audit_checkpoints', async (tx) => {
        await lockCheckpoints(tx, orgId);
        const standing = await this.findings.standing(tx, orgId);
        if (standing) throw standing;
        return this.#next(tx, orgId);
      }),
    );
  }

  /** Compares the log with the checkpoints issued and anchored last. The same faults. */
  async compare(orgId: string): Promise<void> {
    const note = await this.#anchored(orgId);
    await this.#orFork(orgId, () =>
      this.database.acrossOrgs('audit_checkpoints', async (tx) => {
        const tree = await Tree.open(tx, orgId);
        // The anchor first: what it has is never older, so that one look finds all that is lost.
        const anchored = note === undefined ? undefined : await this.#open(tx, orgId, note);
        if (anchored && !(await isGivenUp(tx, orgId, anchored))) await requireContinuation(tree, anchored);
        const last = await readLastCheckpoint(tx, orgId);
        if (last) await requireContinuation(tree, last);
      }),
    );
  }

  /** Keeps what is found, and puts a fork on record. */
  async #orFork<T>(orgId: string, work: () => Promise<T>): Promise<T> {
    return this.trees.orFinding(orgId, async () => {
      try {
        return await work();
      } catch (error) {
        if (error instanceof Forked) await this.forks.mark(orgId, error.before);
        throw error;
      }
    });
  }

  /** Compares every log of which something is anchored; what is wrong with one does not keep the others. */
  async compareAnchored(onFailure: (error: unknown) => void): Promise<void> {
    for (const orgId of (await this.#anchor?.orgIds()) ?? []) await this.compare(orgId).catch(onFailure);
  }

  /** Publishes a checkpoint to the anchor, unless that has a later one. */
  async publish(orgId: string, { size, note }: Checkpoint): Promise<void> {
    if (!this.#anchor) return;
    const before = await this.#anchor.read(orgId);
    // Whether it is signed was asked before this checkpoint was issued.
    const [, anchoredSize, root = ''] = before?.split('\n') ?? [];
    const anchored = { size: Number(anchoredSize), root: Buffer.from(root, 'base64') };
    const isLater = before === undefined || anchored.size < size;
    const replaces = () =>
      this.database.acrossOrgs('audit_checkpoints', (tx) => isGivenUp(tx, orgId, anchored));
    if (isLater || (await replaces())) await this.#anchor.publish(orgId, note);
  }

  get publishes(): boolean {
    return this.#anchor !== undefined;
  }

  async #next(tx: SystemTx, orgId: string): Promise<Checkpoint> {
    const tree = await Tree.open(tx, orgId);
    const last = await readLastCheckpoint(tx, orgId);
    if (last && last.size === tree.size) return last;
    if (last) await requireContinuation(tree, last);
    // The root at the old size is the one that was signed; this proves that the new one is of the same log.
    const { root } =
      last && last.size > 0
        ? await tree.consistency(last.size, tree.size)
        : { root: await tree.rootAt(tree.size) };
    const { name, signers } = await this.keys.signers(tx);
    const head = { origin: `${name}/orgs/${orgId}/audit`, size: tree.size, root };
    const issued = { size: tree.size, root, note: signedNote(head, signers) };
    await insertCheckpoint(tx, orgId, issued);
    return issued;
  }

  async #open(tx: SystemTx, orgId: string, note: string): Promise<TreeHead> {
    const head = openNote(note, await this.keys.verifiers(tx));
    if (head?.origin.endsWith(`/orgs/${orgId}/audit`)) return head;
    throw AuditFault.anchor_unreadable({ detail: `organization ${orgId}` });
  }

  async #anchored(orgId: string): Promise<string | undefined> {
    try {
      return await this.#anchor?.read(orgId);
    } catch (error) {
      throw AuditFault.anchor_unreadable({ cause: error, detail: `organization ${orgId}` });
    }
  }
}

async function requireContinuation(tree: Tree, earlier: Pick<TreeHead, 'size' | 'root'>): Promise<void> {
  const fork = await compareWithAnchor(tree, earlier);
  if (fork) throw new Forked(fork, earlier);
}
