import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import { type Caller, newId, type Page, pageOf, readPage } from '#kernel';
import { Recorder } from '../history/recorder.ts';
import { ProjectionFault } from '../projection.faults.ts';
import type { SurfaceValues } from '../verdict/vocabulary.ts';
import {
  countSurfaces,
  deleteSurface,
  desiredOf,
  insertSurface,
  lockSurface,
  readSurface,
  readSurfaces,
  type SurfaceRow,
  updateSurface,
} from './surface.store.ts';
import type { CreateSurfaceRequest, SurfaceView, UpdateSurfaceRequest } from './surfaces.contract.ts';

/** A verdict on all of them is computed at once, so there is an end. */
export const MOST_SURFACES = 1_000;

/** The surfaces of an organization and what is desired of them. */
@Injectable()
export class Surfaces {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly recorder: Recorder,
  ) {}

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<SurfaceView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readSurfaces(tx, limit + 1, before));
    return pageOf(rows, limit, viewOf);
  }

  async describe(caller: Caller, id: string): Promise<SurfaceView> {
    const row = await this.database.inOrg(caller, (tx) => readSurface(tx, id));
    if (!row) throw ProjectionFault.surface_not_found();
    return viewOf(row);
  }

  /** Blocked from its first moment, until its owners have told their facts. */
  async create(caller: Caller, request: CreateSurfaceRequest): Promise<SurfaceView> {
    return this.database.inOrg(caller, async (tx) => {
      if ((await countSurfaces(tx)) >= MOST_SURFACES) {
        throw ProjectionFault.too_many_surfaces({ data: { limit: MOST_SURFACES } });
      }
      const { key, name, description = '', requireEvidence = false } = request;
      const desired = plain(request.desired);
      const row = await insertSurface(tx, { id: newId(), key, name, description, desired, requireEvidence });
      if (!row) throw ProjectionFault.surface_exists({ errors: [{ path: 'key', message: 'is taken' }] });
      await this.audit.append(tx, caller, {
        action: 'surface.created',
        target: { type: 'surface', id: row.id },
        changes: {
          key: { to: key },
          name: { to: name },
          desired: { to: desired },
          requireEvidence: { to: requireEvidence },
        },
      });
      await this.recorder.after(tx, caller, [row.id], new Map(), { type: 'surface' });
      return viewOf(row);
    });
  }

  /** Facts told before another thing was desired count as behind until they are told again. */
  async update(caller: Caller, id: string, request: UpdateSurfaceRequest): Promise<SurfaceView> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await lockSurface(tx, id);
      if (!row) throw ProjectionFault.surface_not_found();
      const was = settingsOf(row);
      const next = {
        name: request.name ?? was.name,
        description: request.description ?? was.description,
        desired: request.desired ? plain(request.desired) : was.desired,
        requireEvidence: request.requireEvidence ?? was.requireEvidence,
      };
      const changes = changesOf(was, next);
      if (Object.keys(changes).length === 0) return viewOf(row);
      const before = await this.recorder.before(tx, [id]);
      const judgedAnew = 'desired' in changes || 'requireEvidence' in changes;
      const changed = await updateSurface(tx, {
        id,
        ...next,
        generation: row.generation + (judgedAnew ? 1 : 0),
      });
      if (!changed) throw ProjectionFault.surface_not_found();
      await this.audit.append(tx, caller, {
        action: 'surface.updated',
        target: { type: 'surface', id },
        changes,
      });
      await this.recorder.after(tx, caller, [id], before, { type: 'surface' });
      return viewOf(changed);
    });
  }

  async remove(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      const row = await lockSurface(tx, id);
      if (!row) throw ProjectionFault.surface_not_found();
      await this.audit.append(tx, caller, {
        action: 'surface.deleted',
        target: { type: 'surface', id },
        changes: { key: { from: row.key } },
      });
      await deleteSurface(tx, id);
    });
  }
}

type Settings = Pick<SurfaceView, 'name' | 'description' | 'requireEvidence'> & { desired: SurfaceValues };

function settingsOf(row: SurfaceRow): Settings {
  const { name, description, require_evidence: requireEvidence } = row;
  return { name, description, requireEvidence, desired: desiredOf(row) };
}

function changesOf(was: Settings, next: Settings): Record<string, { from: never; to: never }> {
  const fields = ['name', 'description', 'desired', 'requireEvidence'] as const;
  const changed = fields.filter((field) => JSON.stringify(was[field]) !== JSON.stringify(next[field]));
  return Object.fromEntries(
    changed.map((field) => [field, { from: was[field] as never, to: next[field] as never }]),
  );
}

/** The four values in one order and nothing else. */
function plain({
  authMode,
  onboardingStatus,
  sessionHandoff,
  adminPosture,
}: SurfaceValues): SurfaceValues & Record<string, string> {
  return { authMode, onboardingStatus, sessionHandoff, adminPosture };
}

function viewOf(row: SurfaceRow): SurfaceView {
  return {
    id: row.id,
    key: row.key,
    ...settingsOf(row),
    generation: row.generation,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}
