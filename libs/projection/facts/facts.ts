import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database, type OrgTx } from '#database';
import {
  type Caller,
  canonicalJson,
  Clock,
  type Json,
  newId,
  type Page,
  pageOf,
  readPage,
  sha256,
} from '#kernel';
import { Recorder } from '../history/recorder.ts';
import { ProjectionFault } from '../projection.faults.ts';
import { lockSurface, readSurface, type SurfaceRow } from '../surfaces/surface.store.ts';
import { SKEW_MS } from '../verdict/verdict.ts';
import type { FactKind } from '../verdict/vocabulary.ts';
import { readFactData } from './fact-data.ts';
import {
  type FactRow,
  insertFact,
  makeCurrent,
  markConflict,
  type NewFact,
  readFacts,
  readLastTold,
  readOwnAuthority,
} from './fact.store.ts';
import type { FactView, TellFactRequest } from './facts.contract.ts';

/** What the owners of a surface's truth tell of it. */
@Injectable()
export class FactLog {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly recorder: Recorder,
    private readonly clock: Clock,
  ) {}

  /**
   * Takes a fact from the owner of its kind. Told again it is the same fact; another content under the same revision
   * is kept as a conflict, which blocks the surface, and refused.
   */
  async tell(caller: Caller, surfaceId: string, kind: FactKind, request: TellFactRequest): Promise<FactView> {
    const told = await this.database.inOrg(caller, async (tx) => {
      const surface = await lockSurface(tx, surfaceId);
      if (!surface) throw ProjectionFault.surface_not_found();
      const authorityId = await this.#requireOwner(tx, caller, surfaceId, kind);
      const fact = this.#factOf(surface, kind, authorityId, request);
      const last = await readLastTold(tx, surfaceId, kind, authorityId);
      const lastRevision = last ? Number(last.revision) : 0;
      if (fact.revision < lastRevision) {
        throw ProjectionFault.revision_backwards({ data: { revision: lastRevision } });
      }
      if (last && fact.revision === lastRevision) {
        if (last.digest === fact.digest) return last;
        await this.#keepConflict(tx, caller, fact, last);
        return undefined;
      }
      return this.#keep(tx, caller, fact);
    });
    // Only now: the conflict is to be kept, and a refusal in the transaction would take it back.
    if (!told) throw ProjectionFault.revision_conflict({ data: { revision: request.revision } });
    return viewOf(told);
  }

  async list(
    caller: Caller,
    surfaceId: string,
    query: { limit?: number; cursor?: string },
  ): Promise<Page<FactView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, async (tx) => {
      if (!(await readSurface(tx, surfaceId))) throw ProjectionFault.surface_not_found();
      return readFacts(tx, surfaceId, limit + 1, before);
    });
    return pageOf(rows, limit, viewOf);
  }

  /** Whoever else may do what: a kind of truth has one owner. */
  async #requireOwner(tx: OrgTx, caller: Caller, surfaceId: string, kind: FactKind): Promise<string> {
    const own =
      caller.apiKeyId === undefined
        ? undefined
        : await readOwnAuthority(tx, surfaceId, kind, caller.apiKeyId);
    if (own !== undefined) return own;
    throw ProjectionFault.not_owner({
      data: { kind },
      audit: { action: 'fact.refused', target: { type: 'surface', id: surfaceId } },
    });
  }

  #factOf(surface: SurfaceRow, kind: FactKind, authorityId: string, request: TellFactRequest): NewFact {
    const now = this.clock.now();
    const { revision, ttlSeconds, evidence } = request;
    const data = readFactData(kind, request.data);
    const observed = new Date(request.observedAt);
    if (observed.getTime() > now.getTime() + SKEW_MS) {
      const message = `must be at most ${SKEW_MS / 1_000} s ahead of ${now.toISOString()}`;
      throw ProjectionFault.from_future({ errors: [{ path: 'observedAt', message }] });
    }
    const observedAt = observed.toISOString();
    const told = {
      surface: surface.id,
      kind,
      revision,
      observedAt,
      ttlSeconds,
      data,
      evidence: evidence as Json,
    };
    return {
      id: newId(),
      surfaceId: surface.id,
      kind,
      authorityId,
      revision,
      generation: surface.generation,
      observedAt,
      receivedAt: now.toISOString(),
      ttlSeconds,
      data,
      evidence,
      digest: sha256(canonicalJson(told)).toString('hex'),
      conflicting: false,
    };
  }

  async #keep(tx: OrgTx, caller: Caller, fact: NewFact): Promise<FactRow> {
    const { surfaceId, kind, revision } = fact;
    const before = await this.recorder.before(tx, [surfaceId]);
    const row = await insertFact(tx, fact);
    if (!row) throw new Error('a fact of this revision came in spite of the lock');
    await makeCurrent(tx, surfaceId, kind, row.id);
    await this.audit.append(tx, caller, {
      action: 'fact.told',
      target: { type: 'surface', id: surfaceId },
      changes: changesOf(fact),
    });
    await this.recorder.after(tx, caller, [surfaceId], before, { type: 'fact', kind, revision });
    return row;
  }

  async #keepConflict(tx: OrgTx, caller: Caller, fact: NewFact, last: FactRow): Promise<void> {
    const { surfaceId, kind, revision } = fact;
    const before = await this.recorder.before(tx, [surfaceId]);
    if (!(await insertFact(tx, { ...fact, conflicting: true }))) return;
    await markConflict(tx, surfaceId, kind, last.id);
    await this.audit.append(tx, caller, {
      action: 'fact.conflicted',
      target: { type: 'surface', id: surfaceId },
      outcome: 'failure',
      changes: { ...changesOf(fact), digest: { from: last.digest, to: fact.digest } },
    });
    await this.recorder.after(tx, caller, [surfaceId], before, { type: 'fact', kind, revision });
  }
}

function changesOf({
  kind,
  revision,
  digest,
  authorityId,
  id,
}: NewFact): Record<string, { to: string | number }> {
  return {
    fact: { to: id },
    kind: { to: kind },
    revision: { to: revision },
    authorityId: { to: authorityId },
    digest: { to: digest },
  };
}

function viewOf(row: FactRow): FactView {
  return {
    id: row.id,
    surfaceId: row.surface_id,
    kind: row.kind,
    authorityId: row.authority_id,
    revision: Number(row.revision),
    generation: row.generation,
    observedAt: row.observed_at.toISOString(),
    receivedAt: row.received_at.toISOString(),
    ttlSeconds: row.ttl_seconds,
    data: row.data,
    ...(row.evidence !== null && { evidence: row.evidence }),
    digest: row.digest,
    conflicting: row.conflicting,
  };
}
