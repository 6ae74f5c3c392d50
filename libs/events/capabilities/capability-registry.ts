import { Injectable } from '@nestjs/common';
import { fitsKind, isPermission } from '#access';
import { Audit, type AuditAction } from '#audit';
import { Database, type OrgTx } from '#database';
import { type Caller, newId, type Page, pageOf, readPage } from '#kernel';
import type {
  AdmitRequest,
  CapabilitiesQuery,
  CapabilityDetailView,
  CapabilityView,
  HistoryEntryView,
  StepView,
} from './capability.contract.ts';
import { CapabilityFault } from './capability.faults.ts';
import {
  type CapabilityRow,
  findCapability,
  insertCapability,
  insertStep,
  lockRegistry,
  MOST_STANDING,
  readCapabilities,
  readStanding,
  readSteps,
  setState,
} from './capability.store.ts';
import { afterStep, type CapabilityState, type CapabilityStep } from './lifecycle.ts';
import {
  compatibilityProblems,
  dependentsOf,
  type Manifest,
  manifestDigest,
  manifestErrors,
  type Problem,
} from './manifest.ts';

const recorded = {
  admit: 'capability.admitted',
  activate: 'capability.activated',
  deactivate: 'capability.deactivated',
  quarantine: 'capability.quarantined',
  revoke: 'capability.revoked',
} as const satisfies Record<CapabilityStep, AuditAction>;

type Standing = Pick<CapabilityRow, 'id' | 'name' | 'version' | 'digest'> & { readonly state: string };

/** The registry of an organization: what products bring along, and what of it may act. */
@Injectable()
export class CapabilityRegistry {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
  ) {}

  async list(caller: Caller, query: CapabilitiesQuery): Promise<Page<CapabilityView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) =>
      readCapabilities(tx, { state: query.state, limit: limit + 1, before }),
    );
    return pageOf(rows, limit, viewOf);
  }

  async read(caller: Caller, id: string): Promise<CapabilityDetailView> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await found(tx, id);
      const dependents = row.state === 'active' ? dependentsOf(row.name, await readStanding(tx)) : [];
      return { ...viewOf(row), manifest: manifestView(row.manifest), dependents };
    });
  }

  async history(
    caller: Caller,
    id: string,
    query: { limit?: number; cursor?: string },
  ): Promise<Page<HistoryEntryView>> {
    const { limit, before } = readPage(query);
    return this.database.inOrg(caller, async (tx) => {
      await found(tx, id);
      const rows = await readSteps(tx, id, { limit: limit + 1, before });
      return pageOf(rows, limit, (row) => ({
        id: row.id,
        action: row.action,
        ...(row.from_state !== null && { from: row.from_state }),
        to: row.to_state,
        actorType: row.actor_type,
        actorId: row.actor_id,
        ...(row.reason !== null && { reason: row.reason }),
        at: row.at.toISOString(),
      }));
    });
  }

  async propose(caller: Caller, manifest: Manifest): Promise<CapabilityView> {
    const errors = manifestErrors(manifest);
    if (errors.length > 0) throw CapabilityFault.bad_manifest({ errors });
    const { name, version, product } = manifest;
    const digest = manifestDigest(manifest);
    return this.database.inOrg(caller, async (tx) => {
      const id = newId();
      if (!(await insertCapability(tx, id, manifest, digest))) {
        throw CapabilityFault.exists({ errors: [{ path: 'version', message: 'is there already' }] });
      }
      await insertStep(tx, id, stepOf(caller, 'propose', null, 'proposed'));
      await this.audit.append(tx, caller, {
        action: 'capability.proposed',
        target: { type: 'capability', id },
        changes: {
          name: { to: name },
          version: { to: version },
          product: { to: product },
          digest: { to: digest.toString('hex') },
        },
      });
      return viewOf(await found(tx, id));
    });
  }

  /** Faults: `capabilities.wrong_state`, `capabilities.other_manifest`, `capabilities.not_admissible`. */
  admit(caller: Caller, id: string, { digest }: AdmitRequest, dryRun = false): Promise<StepView> {
    return this.#stepUp(caller, id, 'admit', dryRun, digest);
  }

  /** Makes it the active version; the one that was goes back to admitted. Faults as `admit`. */
  activate(caller: Caller, id: string, dryRun = false): Promise<StepView> {
    return this.#stepUp(caller, id, 'activate', dryRun);
  }

  /** When it answers, nothing bound to it acts any more in any process. Fault: `capabilities.wrong_state`. */
  quarantine(caller: Caller, id: string, reason: string): Promise<CapabilityView> {
    return this.#stepDown(caller, id, 'quarantine', reason);
  }

  /** The same for ever. */
  revoke(caller: Caller, id: string, reason: string): Promise<CapabilityView> {
    return this.#stepDown(caller, id, 'revoke', reason);
  }

  async #stepDown(
    caller: Caller,
    id: string,
    step: 'quarantine' | 'revoke',
    reason: string,
  ): Promise<CapabilityView> {
    return this.database.inOrg(caller, async (tx) => {
      await lockRegistry(tx);
      await this.#take(tx, caller, await found(tx, id), step, reason);
      return viewOf(await found(tx, id));
    });
  }

  async #stepUp(
    caller: Caller,
    id: string,
    step: 'admit' | 'activate',
    dryRun: boolean,
    digest?: string,
  ): Promise<StepView> {
    return this.database.inOrg(caller, async (tx) => {
      await lockRegistry(tx);
      const row = await found(tx, id);
      requireStep(row, step);
      if (digest !== undefined && digest !== row.digest) {
        throw CapabilityFault.other_manifest({ data: { digest: row.digest } });
      }
      const standing = await readStanding(tx);
      if (standing.length >= MOST_STANDING)
        throw CapabilityFault.too_many({ data: { limit: MOST_STANDING } });
      const becomes = step === 'admit' ? 'admitted' : 'active';
      const problems = [
        ...permissionProblems(caller, row.manifest),
        ...compatibilityProblems(row.manifest, standing, becomes),
      ];
      if (dryRun) {
        await this.#recordTrial(tx, caller, row, problems);
        return { ...viewOf(row), dryRun, problems };
      }
      if (problems.length > 0) throw CapabilityFault.not_admissible({ data: { problems } });
      const before = standing.find(({ name, state }) => name === row.name && state === 'active');
      if (step === 'activate' && before) await this.#take(tx, caller, before, 'deactivate');
      await this.#take(tx, caller, row, step);
      return { ...viewOf(await found(tx, id)), dryRun, problems: [] };
    });
  }

  async #take(
    tx: OrgTx,
    caller: Caller,
    row: Standing,
    step: CapabilityStep,
    reason?: string,
  ): Promise<void> {
    const state = requireStep(row, step);
    await setState(tx, row.id, state);
    await insertStep(tx, row.id, stepOf(caller, step, row.state, state, reason));
    await this.audit.append(tx, caller, {
      action: recorded[step],
      target: { type: 'capability', id: row.id },
      changes: {
        name: { to: row.name },
        version: { to: row.version },
        digest: { to: row.digest },
        state: { from: row.state, to: state },
        ...(reason !== undefined && { reason: { to: reason } }),
      },
    });
  }

  async #recordTrial(tx: OrgTx, caller: Caller, row: CapabilityRow, problems: Problem[]): Promise<void> {
    await this.audit.append(tx, caller, {
      action: 'capability.admission_tried',
      target: { type: 'capability', id: row.id },
      changes: {
        name: { to: row.name },
        version: { to: row.version },
        problems: { to: problems.map(({ code, path }) => `${code} ${path}`) },
      },
    });
  }
}

async function found(tx: OrgTx, id: string): Promise<CapabilityRow> {
  const row = await findCapability(tx, id);
  if (!row) throw CapabilityFault.not_found();
  return row;
}

function requireStep({ state }: { state: string }, step: CapabilityStep): CapabilityState {
  const next = afterStep(state as CapabilityState, step);
  if (next === undefined) throw CapabilityFault.wrong_state({ data: { state, step } });
  return next;
}

/** Nobody admits what asks for more than they hold themselves. */
function permissionProblems(caller: Caller, { permissions }: Manifest): Problem[] {
  return permissions.flatMap((name, at): Problem[] => {
    const path = `permissions[${at}]`;
    if (!isPermission(name) || !fitsKind(name, caller.org.kind)) {
      const message = `${name} is not a permission of this kind of organization`;
      return [{ code: 'permission_unknown', path, message }];
    }
    if (caller.permissions.has(name)) return [];
    return [{ code: 'permission_not_held', path, message: `who admits it does not hold ${name}` }];
  });
}

function stepOf(
  { kind, id }: Caller,
  action: string,
  from: string | null,
  to: string,
  reason: string | null = null,
): Parameters<typeof insertStep>[2] {
  return { id: newId(), action, from_state: from, to_state: to, actor_type: kind, actor_id: id, reason };
}

function viewOf(row: CapabilityRow): CapabilityView {
  const { id, name, version, product, state, digest } = row;
  const times = { proposedAt: row.proposed_at.toISOString(), changedAt: row.changed_at.toISOString() };
  return { id, name, version, product, state, digest, ...times };
}

function manifestView(manifest: Manifest): CapabilityDetailView['manifest'] {
  const { provides, requires, permissions, tools, commands, description, ...rest } = manifest;
  return {
    ...rest,
    ...(description !== undefined && { description }),
    provides: [...provides],
    requires: [...requires],
    permissions: [...permissions],
    tools: [...tools],
    commands: [...commands],
  };
}
