import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { type Denial, Denials } from '#access';
import { Database } from '#database';
import { Clock, networkOf } from '#kernel';
import { type AuditAction, auditActions } from './catalogue/actions.ts';
import { Audit } from './audit.ts';
import { actorOf, type AuditEntry } from './audit-event.ts';
import { Coalescer, type Counted } from './coalescer.ts';
import { OutcomeCounts } from './outcome-counts.ts';

const FLUSH_MS = 5_000;

/**
 * Records refusals, each in a transaction of its own that is durable before the refusal is answered. Refusals
 * without a known organization go to the platform organization's log. From one source and of one kind, ten a
 * minute are recorded one by one and the rest as one counted record, so nobody can fill the log; counts that are
 * not yet recorded (at most a minute's) are lost if the process is killed.
 */
@Injectable()
export class DenialLog extends Denials implements OnModuleInit, OnModuleDestroy {
  readonly #coalescer = new Coalescer<AuditEntry>({ windowMs: 60_000, individually: 10, kinds: 5_000 });
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #platformOrg: string | undefined;

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly clock: Clock,
    private readonly counts: OutcomeCounts,
  ) {
    super();
  }

  onModuleInit(): void {
    this.#timer = setInterval(() => void this.#flush(false), FLUSH_MS);
    this.#timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.#timer);
    // Requests still end after this; nobody would record what they count.
    this.#stopping = true;
    await this.#flush(true);
  }

  async record(denial: Denial): Promise<void> {
    const entry = await this.#entryOf(denial);
    if (entry === undefined) return;
    this.counts.refused(entry.action, denial.fault.code);
    const source = denial.caller?.id ?? networkOf(denial.request.ip);
    const kind = `${source}|${entry.action}|${entry.reason ?? ''}`;
    const alone = this.#coalescer.admit(entry.orgId, kind, entry, this.clock.monotonic());
    if (!alone && !this.#stopping) return;
    try {
      await this.#write(entry);
    } catch (error) {
      this.#coalescer.forget(entry.orgId, kind);
      throw error;
    }
  }

  async #entryOf({ fault, caller, request }: Denial): Promise<AuditEntry | undefined> {
    const known = fault.audit ?? {};
    const permission = fault.data?.['permission'];
    const orgId = known.orgId ?? caller?.org.id ?? (await this.#platform());
    // Before the set-up there is no organization and hence no log.
    if (orgId === undefined) return undefined;
    return {
      orgId,
      actor: caller
        ? actorOf(caller)
        : {
            type: known.actorId ? (known.actorType ?? 'user') : 'anonymous',
            id: known.actorId ?? 'anonymous',
          },
      action: isAction(known.action) ? known.action : 'access.denied',
      target: known.target ?? { type: 'route', id: `${request.method} ${request.route}` },
      outcome: 'denied',
      reason: known.reason ?? fault.code,
      request,
      changes: typeof permission === 'string' ? { permission: { to: permission } } : undefined,
    };
  }

  async #platform(): Promise<string | undefined> {
    this.#platformOrg ??= await this.database.acrossOrgs('record_denial', async (tx) => {
      const row = await tx.one<{ id: string }>(`SELECT id FROM organizations WHERE kind = 'platform'`);
      return row?.id;
    });
    return this.#platformOrg;
  }

  /** Never rejects: what cannot be written now is kept for the next time. */
  async #flush(all: boolean): Promise<void> {
    const counted = this.#coalescer.take(this.clock.monotonic(), all);
    for (const [index, one] of counted.entries()) {
      try {
        await this.#write(repeated(one));
      } catch {
        for (const kept of counted.slice(index)) this.#coalescer.restore(kept, this.clock.monotonic());
        return;
      }
    }
  }

  async #write(entry: AuditEntry): Promise<void> {
    await this.database.acrossOrgs('record_denial', (tx) => this.audit.record(tx, entry));
  }
}

/** The record of a count. Where it is of many sources it names none: the last one did not do it all. */
function repeated({ sample, count, mixed }: Counted<AuditEntry>): AuditEntry {
  const action = 'access.denied_repeatedly';
  if (!mixed) {
    return { ...sample, action, changes: { action: { to: sample.action }, count: { to: count } } };
  }
  return {
    orgId: sample.orgId,
    actor: { type: 'anonymous', id: 'various' },
    action,
    target: { type: 'route', id: 'various' },
    outcome: 'denied',
    reason: 'various',
    request: { id: sample.request.id, method: 'various', route: 'various' },
    changes: { count: { to: count } },
  };
}

function isAction(name: string | undefined): name is AuditAction {
  return name !== undefined && Object.hasOwn(auditActions, name);
}
