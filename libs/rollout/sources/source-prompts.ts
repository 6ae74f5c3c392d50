import { Injectable } from '@nestjs/common';
import type { SystemTx } from '#database';
import { type GiteaFact, type Prompt, RolloutPrompts, type Voiding } from '#intake';
import { Clock } from '#kernel';
import { type By, Moves } from '../lifecycle/moves.ts';
import { type RolloutRow, storeJob } from '../lifecycle/rollout.store.ts';
import { Openings } from '../templates/openings.ts';
import { GiteaEvidence } from './gitea-evidence.ts';
import { lockOfRef, readBound, readOfCommit, storeGone } from './source.store.ts';

/** What follows for rollouts from what Gitea says, in the transaction that keeps what it said. */
@Injectable()
export class SourcePrompts extends RolloutPrompts {
  constructor(
    private readonly moves: Moves,
    private readonly openings: Openings,
    private readonly facts: GiteaEvidence,
    private readonly clock: Clock,
  ) {
    super();
  }

  bound(
    tx: SystemTx,
    { orgId, repository }: { orgId: string; repository: string },
  ): Promise<{ ref: string; commit: string }[]> {
    return readBound(tx, orgId, repository);
  }

  /** A rollout of each template that is for this ref, in the place of those of older commits. */
  async open(tx: SystemTx, prompt: Prompt): Promise<string[]> {
    if (prompt.ref === undefined) return readOfCommit(tx, prompt);
    const superseded = await this.#supersede(tx, { ...prompt, ref: prompt.ref });
    const opened = await this.openings.open(tx, { ...prompt, ref: prompt.ref }, { superseded });
    return unique([...superseded.map(({ id }) => id), ...opened]);
  }

  /** The ref stands at another commit: what was of the one before ends, and what a template opened goes on with it. */
  async advance(tx: SystemTx, prompt: Prompt): Promise<string[]> {
    if (prompt.ref === undefined) return readOfCommit(tx, prompt);
    const superseded = await this.#supersede(tx, { ...prompt, ref: prompt.ref });
    const opened = await this.openings.open(
      tx,
      { ...prompt, ref: prompt.ref },
      { superseded, only: superseded.flatMap(({ template_id: id }) => id ?? []) },
    );
    const same = await readOfCommit(tx, prompt);
    return unique([...superseded.map(({ id }) => id), ...opened, ...same]);
  }

  /**
   * What has not begun ends, its sign-offs with it, for they are of that rollout. What is being carried out stops where
   * it is, and its gates stay closed.
   */
  async void(tx: SystemTx, { orgId, repository, ref, commit, reason }: Voiding): Promise<string[]> {
    if (ref === undefined) return [];
    const rows = (await lockOfRef(tx, { orgId, repository, ref })).filter(
      ({ source_commit: of }) => of === commit,
    );
    for (const row of rows) {
      const by = byUs(row);
      await storeGone(tx, row, this.clock.now());
      await this.moves.note(tx, by, {
        action: 'rollout.source_gone',
        target: { type: 'rollout', id: row.id },
        reason,
        changes: { ref: { to: ref }, commit: { from: commit } },
      });
      if (row.begun_at === null) {
        await this.moves.make(tx, by, row, 'supersede', [], { reason: 'source_gone' });
      } else if (row.state === 'executing') {
        await this.moves.make(tx, by, row, 'pause', [], { reason: 'source_gone' });
        await storeJob(tx, row.org_id, row.id, null);
      }
    }
    return rows.map(({ id }) => id);
  }

  evidence(tx: SystemTx, fact: GiteaFact): Promise<readonly string[]> {
    return this.facts.record(tx, fact);
  }

  /** Those that have not begun and are of another commit of the ref, as this hook saw it. */
  async #supersede(tx: SystemTx, prompt: Prompt & { ref: string }): Promise<RolloutRow[]> {
    const rows = (await lockOfRef(tx, prompt)).filter(
      (row) =>
        row.begun_at === null && row.source_hook_id === prompt.hookId && row.source_commit !== prompt.commit,
    );
    for (const row of rows) {
      await this.moves.make(tx, byUs(row), row, 'supersede', [], { reason: 'source_moved' });
    }
    return rows;
  }
}

const byUs = (row: RolloutRow): By => ({ system: 'rollout', orgId: row.org_id });
const unique = (ids: readonly string[]): string[] => [...new Set(ids)];
