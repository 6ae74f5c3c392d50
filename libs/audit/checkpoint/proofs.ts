import { Injectable } from '@nestjs/common';
import type { Caller } from '#kernel';
import { AuditFault } from '../audit.faults.ts';
import { Readings } from '../readings.ts';
import { OrgTrees } from '../tree/org-trees.ts';
import type { Proof, Tree } from '../tree/tree.ts';
import { Checkpoints } from './checkpoints.ts';
import type { ProofView } from './proofs.contract.ts';

/** What others verify the log by: its signed checkpoint and the proofs of RFC 6962. Taking them is recorded. */
@Injectable()
export class Proofs {
  constructor(
    private readonly trees: OrgTrees,
    private readonly checkpoints: Checkpoints,
    private readonly readings: Readings,
  ) {}

  async checkpoint(caller: Caller): Promise<string> {
    await this.readings.record(caller, 'audit.proved');
    // Here the database asks again whether the caller's credential is live; issuing is the system's own work.
    await this.trees.read(caller, () => Promise.resolve());
    return (await this.checkpoints.issue(caller.org.id)).note;
  }

  inclusion(caller: Caller, { pos, size }: { pos: number; size: number }): Promise<ProofView> {
    return this.#prove(caller, { pos, size }, (tree) => tree.inclusion(pos, size));
  }

  consistency(caller: Caller, { from, to }: { from: number; to: number }): Promise<ProofView> {
    return this.#prove(caller, { from, to }, (tree) => tree.consistency(from, to));
  }

  prefix(caller: Caller, { size }: { size: number }): Promise<ProofView> {
    return this.#prove(caller, { size }, (tree) => tree.prefix(size));
  }

  /** `sizes`: the smaller first, by the name of its parameter. */
  async #prove(
    caller: Caller,
    sizes: Record<string, number>,
    work: (tree: Tree) => Promise<Proof>,
  ): Promise<ProofView> {
    await this.readings.record(caller, 'audit.proved');
    const { hashes } = await this.trees.read(caller, (tree) => {
      requireWithin(sizes, tree.size);
      return work(tree);
    });
    return { hashes: hashes.map((hash) => hash.toString('hex')) };
  }
}

function requireWithin(sizes: Record<string, number>, treeSize: number): void {
  let most = treeSize;
  // The largest is bounded by the log, each other by the one after it.
  for (const [path, value] of Object.entries(sizes).toReversed()) {
    if (value > most) {
      throw AuditFault.beyond_log({
        errors: [{ path, message: `must be at most ${most}` }],
        data: { treeSize },
      });
    }
    most = value;
  }
}
