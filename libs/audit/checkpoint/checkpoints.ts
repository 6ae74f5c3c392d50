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
import { AuditKeys, type SigningKeys } from './audit-keys.ts';
import {
  type Checkpoint,
  insertCheckpoint,
  lockCheckpoints,
  readLastCheckpoint,
} from './checkpoint.store.ts';
import { openNote, textOf, type TreeHead } from './note.ts';

/** A head that was found to continue all that was signed before. */
interface Unsigned {
  readonly size: number;
  readonly root: Buffer;
  /** The size of the checkpoint that it was compared with. */
  readonly after: number | undefined;
}

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
   * Faults: `audit.fork_detected`, `audit.log_altered`, `audit.anchor_unreadable`, `audit.signer_unavailable`.
   */
  async issue(orgId: string): Promise<Checkpoint> {
    await this.compare(orgId);
    await this.trees.extend(orgId);
    return this.#orFork(orgId, async () => {
      for (;;) {
        const next = await this.#alone(orgId, (tx) => this.#next(tx, orgId));
        if ('note' in next) return next;
        // Not within a transaction: a key that lies elsewhere may take its time, and connections are few.
        const keys = await this.keys.signing();
        const origin = `${keys.name}/orgs/${orgId}/audit`;
        const { size, root } = next;
        const signed = { size, root, note: await this.keys.sign(textOf({ origin, size, root }), keys) };
        const kept = await this.#alone(orgId, (tx) => this.#keep(tx, orgId, next, signed, keys));
        if (kept) return kept;
      }
    });
  }

  /** One that issues after the other, and none while something is found to be wrong with the log. */
  #alone<T>(orgId: string, work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.database.acrossOrgs('audit_checkpoints', async (tx) => {
      await lockCheckpoints(tx, orgId);
      const standing = await this.findings.standing(tx, orgId);
      if (standing) throw standing;
      return work(tx);
    });
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

  /** The checkpoint issued last where the log has not grown, else what is to be signed. */
  async #next(tx: SystemTx, orgId: string): Promise<Checkpoint | Unsigned> {
    const tree = await Tree.open(tx, orgId);
    const last = await readLastCheckpoint(tx, orgId);
    if (last && last.size === tree.size) return last;
    if (last) await requireContinuation(tree, last);
    // The root at the old size is the one that was signed; this proves that the new one is of the same log.
    const { root } =
      last && last.size > 0
        ? await tree.consistency(last.size, tree.size)
        : { root: await tree.rootAt(tree.size) };
    return { size: tree.size, root, after: last?.size };
  }

  /** Issues it; undefined where it must be signed anew, for it does not follow on what was issued meanwhile. */
  async #keep(
    tx: SystemTx,
    orgId: string,
    { after }: Unsigned,
    signed: Checkpoint,
    keys: SigningKeys,
  ): Promise<Checkpoint | undefined> {
    const last = await readLastCheckpoint(tx, orgId);
    if (last && last.size >= signed.size) return last;
    if (last?.size !== after || !(await this.keys.areSigning(tx, keys))) return undefined;
    await insertCheckpoint(tx, orgId, signed);
    return signed;
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
