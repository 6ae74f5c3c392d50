import { Injectable } from '@nestjs/common';
import { Database, type OrgTx } from '#database';
import { type Caller, type Json, newId } from '#kernel';
import { Audit } from '../audit.ts';
import { AuditFault } from '../audit.faults.ts';
import { readHead } from '../audit.store.ts';
import { deliveryOf } from './delivery-state.ts';
import { SinkConfig } from './sink.config.ts';
import type {
  CreateSinkRequest,
  ReplayRequest,
  SinkDetailView,
  SinkList,
  SinkView,
  UpdateSinkRequest,
} from './sink.contract.ts';
import {
  askReplay,
  deleteSink,
  insertSink,
  lockSink,
  readDead,
  readLanes,
  readSink,
  readSinks,
  type SinkRow,
  updateSink,
} from './sink.store.ts';
import { readFilter, readSettings } from './sink-input.ts';
import { SinkRelays } from './sink-relays.ts';
import type { SinkKind } from './sink.settings.ts';

const MOST_SINKS = 20;

/** Where an organization's log is pushed to. */
@Injectable()
export class Sinks {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly config: SinkConfig,
    private readonly relays: SinkRelays,
  ) {}

  async list(caller: Caller): Promise<SinkList> {
    return this.database.inOrg(caller, async (tx) => ({ items: await viewsOf(tx, await readSinks(tx)) }));
  }

  async read(caller: Caller, id: string): Promise<SinkDetailView> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await readSink(tx, id);
      if (!row) throw AuditFault.sink_not_found();
      const dead = await readDead(tx, id, 100);
      return {
        ...(await viewOf(tx, row)),
        deadLetters: dead.map((one) => ({
          organizationId: one.log_org_id,
          from: Number(one.from_pos),
          to: Number(one.to_pos),
          code: one.code,
          attempts: one.attempts,
          at: one.at.toISOString(),
        })),
      };
    });
  }

  async create(caller: Caller, request: CreateSinkRequest): Promise<SinkView> {
    this.#requireOpen(caller, request.kind);
    if (request.allOrganizations && caller.org.kind !== 'platform') {
      const message = 'is for the platform organization';
      throw AuditFault.bad_sink({ errors: [{ path: 'allOrganizations', message }] });
    }
    return this.#hurried(caller, async (tx) => {
      const sink = {
        id: newId(),
        name: request.name,
        kind: request.kind,
        settings: readSettings(request.kind, request.settings),
        format: request.format ?? 'native',
        filter: readFilter(request.filter),
        enabled: request.enabled ?? true,
        all_organizations: request.allOrganizations ?? false,
        created_by: caller.userId ?? caller.id,
      };
      if ((await readSinks(tx)).length >= MOST_SINKS) {
        throw AuditFault.too_many_sinks({ data: { limit: MOST_SINKS } });
      }
      const head = await readHead(tx);
      const after = request.after ?? 0;
      if (after > head) {
        throw AuditFault.bad_sink({ errors: [{ path: 'after', message: `must be at most ${head}` }] });
      }
      const row = await insertSink(tx, sink, after);
      if (!row) throw nameTaken();
      await this.audit.append(tx, caller, {
        action: 'audit.sink_created',
        target: { type: 'audit_sink', id: row.id },
        changes: {
          name: { to: row.name },
          kind: { to: row.kind },
          settings: { to: recorded(row) },
          format: { to: row.format },
          filter: { to: row.filter as Json },
          enabled: { to: row.enabled },
          allOrganizations: { to: row.all_organizations },
          after: { to: after },
        },
      });
      return viewOf(tx, row);
    });
  }

  async update(caller: Caller, id: string, request: UpdateSinkRequest): Promise<SinkView> {
    return this.#hurried(caller, async (tx) => {
      const before = await this.#lock(tx, id);
      this.#requireOpen(caller, before.kind);
      const wanted: SinkRow = {
        ...before,
        name: request.name ?? before.name,
        settings: request.settings ? readSettings(before.kind, request.settings) : before.settings,
        format: request.format ?? before.format,
        filter: request.filter ? readFilter(request.filter) : before.filter,
        enabled: request.enabled ?? before.enabled,
      };
      const row = await updateSink(tx, wanted);
      if (!row) throw nameTaken();
      await this.audit.append(tx, caller, {
        action: 'audit.sink_updated',
        target: { type: 'audit_sink', id },
        changes: {
          ...(request.name !== undefined && { name: { from: before.name, to: row.name } }),
          ...(request.settings && { settings: { from: recorded(before), to: recorded(row) } }),
          ...(request.format && { format: { from: before.format, to: row.format } }),
          ...(request.filter && { filter: { from: before.filter as Json, to: row.filter as Json } }),
          ...(request.enabled !== undefined && { enabled: { from: before.enabled, to: row.enabled } }),
        },
      });
      return viewOf(tx, row);
    });
  }

  async remove(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      const { name } = await this.#lock(tx, id);
      await deleteSink(tx, id);
      await this.audit.append(tx, caller, {
        action: 'audit.sink_deleted',
        target: { type: 'audit_sink', id },
        changes: { name: { from: name } },
      });
    });
  }

  /** Has a range delivered a second time. Fault where nothing of it has been delivered once. */
  async replay(caller: Caller, id: string, { from, to }: ReplayRequest): Promise<SinkView> {
    if (to !== undefined && to < from) {
      throw AuditFault.bad_sink({ errors: [{ path: 'to', message: 'must not be before from' }] });
    }
    return this.#hurried(caller, async (tx) => {
      const row = await this.#lock(tx, id);
      const range = { from, to: to ?? Number.MAX_SAFE_INTEGER };
      if (!(await askReplay(tx, id, range))) {
        const message = 'must have been delivered once; what is further goes by itself';
        throw AuditFault.bad_sink({ errors: [{ path: 'from', message }] });
      }
      await this.audit.append(tx, caller, {
        action: 'audit.sink_replayed',
        target: { type: 'audit_sink', id },
        changes: { from: { to: from }, ...(to !== undefined && { to: { to } }) },
      });
      return viewOf(tx, row);
    });
  }

  /** The relay of this process takes up what changed when it has committed, not when it looks next. */
  async #hurried(caller: Caller, work: (tx: OrgTx) => Promise<SinkView>): Promise<SinkView> {
    const view = await this.database.inOrg(caller, work);
    this.relays.hurry();
    return view;
  }

  async #lock(tx: OrgTx, id: string): Promise<SinkRow> {
    const row = await lockSink(tx, id);
    if (!row) throw AuditFault.sink_not_found();
    return row;
  }

  #requireOpen(caller: Caller, kind: SinkKind): void {
    const open = caller.org.kind === 'platform' && this.config.fileDir !== undefined;
    if (kind === 'file' && !open) throw AuditFault.file_sinks_closed();
  }
}

function nameTaken(): Error {
  return AuditFault.sink_exists({ errors: [{ path: 'name', message: 'is taken' }] });
}

/** Certificates are long; a record says that there are some. */
function recorded({ settings }: SinkRow): Json {
  const { ca, clientCertificate, ...rest } = settings as unknown as Record<string, Json>;
  return {
    ...rest,
    ...(ca !== undefined && { ca: 'PEM' }),
    ...(clientCertificate !== undefined && { clientCertificate: 'PEM' }),
  };
}

async function viewOf(tx: OrgTx, row: SinkRow): Promise<SinkView> {
  const [view] = await viewsOf(tx, [row]);
  return view!;
}

async function viewsOf(tx: OrgTx, rows: readonly SinkRow[]): Promise<SinkView[]> {
  const lanes = await readLanes(
    tx,
    rows.map(({ id }) => id),
  );
  return rows.map((row) => {
    const own = lanes.filter((lane) => lane.sink_id === row.id);
    return {
      id: row.id,
      name: row.name,
      kind: row.kind,
      settings: row.settings,
      format: row.format,
      filter: row.filter as SinkView['filter'],
      enabled: row.enabled,
      allOrganizations: row.all_organizations,
      createdBy: row.created_by,
      createdAt: row.created_at.toISOString(),
      delivery: deliveryOf(row, own),
    };
  });
}
