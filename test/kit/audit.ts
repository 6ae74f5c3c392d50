import { Audit, OutcomeCounts } from '#audit';
import { Events } from '#events';
import type { Clock } from '#kernel';

/** What appends to the audit log and publishes what follows, as the product composes it. */
export const auditBy = (clock: Clock): Audit => new Audit(clock, new Events(clock), new OutcomeCounts());
