import { Injectable } from '@nestjs/common';
import { Audit, type Changes } from '#audit';
import { Database, type OrgTx } from '#database';
import { Jobs } from '#jobs';
import { type Caller, newId, pageOf, readPage } from '#kernel';
import { readDeliveries, type DeliveryRow, insertReconcile } from '../deliveries/delivery.store.ts';
import { IntakeFault } from '../intake.faults.ts';
import { reconcileQueue } from '../rereads/queues.ts';
import type {
  CreateGiteaHookRequest,
  GiteaDeliveryPage,
  GiteaDeliveryView,
  GiteaHookPage,
  GiteaHookView,
  GiteaReconcileView,
  UpdateGiteaHookRequest,
} from './hook.contract.ts';
import { readSettings } from './hook-input.ts';
import {
  countHooks,
  deleteHook,
  type HookRow,
  insertHook,
  lockHook,
  readHook,
  readHooks,
  updateHook,
} from './hook.store.ts';

const MOST_HOOKS = 50;

interface PageRequest {
  limit?: number;
  cursor?: string;
}

/** By which hooks Gitea tells an organization of events. */
@Injectable()
export class Hooks {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly jobs: Jobs,
  ) {}

  async list(caller: Caller, query: PageRequest): Promise<GiteaHookPage> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readHooks(tx, limit + 1, before));
    return pageOf(rows, limit, viewOf);
  }

  async read(caller: Caller, id: string): Promise<GiteaHookView> {
    const row = await this.database.inOrg(caller, (tx) => readHook(tx, id));
    if (!row) throw IntakeFault.hook_not_found();
    return viewOf(row);
  }

  /** What there is at this moment in the repositories is read at once, and opens nothing: only what is new does. */
  async create(caller: Caller, request: CreateGiteaHookRequest): Promise<GiteaHookView> {
    return this.database.inOrg(caller, async (tx) => {
      const { isDefault = false, enabled = true } = request;
      requirePlatform(caller, isDefault);
      const settings = readSettings({
        base_url: request.baseUrl,
        token_ref: request.token,
        secret_refs: request.secrets,
        repositories: request.repositories,
        branches: request.branches ?? ['*'],
        tags: request.tags ?? [],
        opens: request.opens ?? [],
      });
      if ((await countHooks(tx)) >= MOST_HOOKS) {
        throw IntakeFault.too_many_hooks({ data: { limit: MOST_HOOKS } });
      }
      const row = await insertHook(tx, {
        ...settings,
        id: newId(),
        org_id: caller.org.id,
        name: request.name,
        enabled,
        is_default: isDefault,
        created_by: caller.userId ?? caller.id,
      });
      if (!row) throw IntakeFault.hook_exists();
      await this.audit.append(tx, caller, {
        action: 'intake.hook_created',
        target: { type: 'gitea_hook', id: row.id },
        changes: changesOf(row),
      });
      await this.jobs.enqueue(tx, reconcileQueue, { orgId: row.org_id, hookId: row.id });
      return viewOf(row);
    });
  }

  async update(caller: Caller, id: string, request: UpdateGiteaHookRequest): Promise<GiteaHookView> {
    return this.database.inOrg(caller, async (tx) => {
      const before = await lock(tx, id);
      const isDefault = request.isDefault ?? before.is_default;
      requirePlatform(caller, isDefault);
      const wanted: HookRow = {
        ...before,
        ...readSettings({
          base_url: request.baseUrl ?? before.base_url,
          token_ref: request.token ?? before.token_ref,
          secret_refs: request.secrets ?? before.secret_refs,
          repositories: request.repositories ?? before.repositories,
          branches: request.branches ?? before.branches,
          tags: request.tags ?? before.tags,
          opens: request.opens ?? before.opens,
        }),
        name: request.name ?? before.name,
        enabled: request.enabled ?? before.enabled,
        is_default: isDefault,
      };
      const row = await updateHook(tx, wanted);
      if (!row) throw IntakeFault.hook_exists();
      await this.audit.append(tx, caller, {
        action: 'intake.hook_updated',
        target: { type: 'gitea_hook', id },
        changes: differences(before, row),
      });
      await this.jobs.enqueue(tx, reconcileQueue, { orgId: row.org_id, hookId: row.id });
      return viewOf(row);
    });
  }

  async remove(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      const { name } = await lock(tx, id);
      await deleteHook(tx, id);
      await this.audit.append(tx, caller, {
        action: 'intake.hook_deleted',
        target: { type: 'gitea_hook', id },
        changes: { name: { from: name } },
      });
    });
  }

  async deliveries(caller: Caller, id: string, query: PageRequest): Promise<GiteaDeliveryPage> {
    const { limit, before } = readPage(query);
    return this.database.inOrg(caller, async (tx) => {
      if (!(await readHook(tx, id))) throw IntakeFault.hook_not_found();
      return pageOf(await readDeliveries(tx, id, limit + 1, before), limit, deliveryOf);
    });
  }

  /** Has everything read that the hook is for, as the sweep does now and then by itself. */
  async reconcile(caller: Caller, id: string): Promise<GiteaReconcileView> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await lock(tx, id);
      if (!row.enabled) throw IntakeFault.hook_disabled();
      const delivery = newId();
      await insertReconcile(tx, { orgId: row.org_id, hookId: id, id: delivery, state: 'queued' });
      await this.audit.append(tx, caller, {
        action: 'intake.reconcile_asked',
        target: { type: 'gitea_hook', id },
        changes: { delivery: { to: delivery } },
      });
      await this.jobs.enqueue(tx, reconcileQueue, { orgId: row.org_id, hookId: id, deliveryId: delivery });
      return { delivery };
    });
  }
}

async function lock(tx: OrgTx, id: string): Promise<HookRow> {
  const row = await lockHook(tx, id);
  if (!row) throw IntakeFault.hook_not_found();
  return row;
}

function requirePlatform({ org }: Caller, isDefault: boolean): void {
  if (!isDefault || org.kind === 'platform') return;
  const message = 'is for the platform organization';
  throw IntakeFault.bad_hook({ errors: [{ path: 'isDefault', message }] });
}

const PATH = '/api/v1/integrations/gitea/webhook';

function viewOf(row: HookRow): GiteaHookView {
  return {
    id: row.id,
    path: row.is_default ? PATH : `${PATH}/${row.id}`,
    ...shownOf(row),
    createdBy: row.created_by,
    createdAt: row.created_at.toISOString(),
  };
}

type Shown = Omit<GiteaHookView, 'id' | 'path' | 'createdBy' | 'createdAt'>;

/** What an administrator says of a hook, in the words of the API. */
function shownOf(row: HookRow): Shown {
  return {
    name: row.name,
    baseUrl: row.base_url,
    token: row.token_ref,
    secrets: row.secret_refs,
    repositories: row.repositories,
    branches: row.branches,
    tags: row.tags,
    opens: row.opens,
    enabled: row.enabled,
    isDefault: row.is_default,
  };
}

function changesOf(row: HookRow): Changes {
  return Object.fromEntries(Object.entries(shownOf(row)).map(([field, to]) => [field, { to }])) as Changes;
}

function differences(before: HookRow, after: HookRow): Changes {
  const was = shownOf(before) as unknown as Record<string, unknown>;
  const changed = Object.entries(shownOf(after)).filter(
    ([field, to]) => JSON.stringify(to) !== JSON.stringify(was[field]),
  );
  return Object.fromEntries(changed.map(([field, to]) => [field, { from: was[field], to }])) as Changes;
}

function deliveryOf(row: DeliveryRow): GiteaDeliveryView {
  return {
    id: row.id,
    source: row.source,
    event: row.event,
    verdict: row.verdict,
    state: row.state,
    prompted: row.prompted,
    receivedAt: row.received_at.toISOString(),
    ...(row.delivery !== null && { delivery: row.delivery }),
    ...(row.repository !== null && { repository: row.repository }),
    ...(row.body_sha256 !== null && { bodySha256: row.body_sha256 }),
    ...(row.code !== null && { code: row.code }),
    ...(row.refusals > 0 && { refusals: row.refusals }),
    ...(row.done_at !== null && { doneAt: row.done_at.toISOString() }),
  };
}
