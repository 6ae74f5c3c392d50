import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import { type Caller, Clock } from '#kernel';
import type { AuditAction } from './catalogue/actions.ts';
import { Audit } from './audit.ts';
import { Coalescer, READS } from './coalescer.ts';
import type { Changes } from './audit-event.ts';

/** Records that the log was read, before it is: once in ten minutes per reader and kind. */
@Injectable()
export class Readings {
  readonly #reads = new Coalescer<true>(READS);

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  async record(caller: Caller, action: AuditAction, changes?: Changes): Promise<void> {
    const kind = `${caller.id}|${action}`;
    this.#reads.take(this.clock.monotonic());
    if (!this.#reads.admit(caller.org.id, kind, true, this.clock.monotonic())) return;
    try {
      await this.database.inOrg(caller, (tx) =>
        this.audit.append(tx, caller, {
          action,
          target: { type: 'audit_log', id: caller.org.id },
          ...(changes && { changes }),
        }),
      );
    } catch (error) {
      this.#reads.forget(caller.org.id, kind);
      throw error;
    }
  }
}
