import type { OrgTx, SystemTx } from '#database';
import type { AuditAction } from './catalogue/actions.ts';

/** A record as it was just written: its action and its leaf, in which nothing personal stands. */
export interface AuditRecord {
  readonly action: AuditAction;
  readonly leaf: string;
}

/**
 * Hears of every record, in the transaction that writes it: what follows commits with the change or not at all. The
 * room that publishes events follows; whoever composes the rooms provides it.
 */
export abstract class RecordFollower {
  abstract recorded(tx: OrgTx | SystemTx, records: readonly AuditRecord[]): Promise<void>;
}
