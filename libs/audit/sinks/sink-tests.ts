import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import { type Caller, Clock } from '#kernel';
import { Audit } from '../audit.ts';
import { AuditFault } from '../audit.faults.ts';
import { readHead, readRange } from '../audit.store.ts';
import { asDeliveryFailure } from '#egress';
import { certaintyOf, Receivers } from './receivers.ts';
import type { SinkTestView } from './sink.contract.ts';
import { readSink } from './sink.store.ts';
import { sinkEvent } from './sink-events.ts';

const WITHIN_MS = 9_000;

/** The test button. What it sends is the very record of the test, so nothing stands at a receiver that no log has. */
@Injectable()
export class SinkTests {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly receivers: Receivers,
    private readonly clock: Clock,
  ) {}

  async run(caller: Caller, sinkId: string): Promise<SinkTestView> {
    const sink = await this.database.inOrg(caller, async (tx) => {
      const row = await readSink(tx, sinkId);
      if (!row) throw AuditFault.sink_not_found();
      await this.audit.append(tx, caller, {
        action: 'audit.sink_tested',
        target: { type: 'audit_sink', id: sinkId },
      });
      return row;
    });
    const orgId = caller.org.id;
    const event = await this.database.inOrg(caller, async (tx) => {
      const head = await readHead(tx);
      // Others write meanwhile: the record is among the last ones.
      const rows = await readRange(tx, Math.max(0, head - 50), head);
      const row = rows.findLast(({ leaf }) => {
        const { action, target } = JSON.parse(leaf) as { action: string; target: { id: string } };
        return action === 'audit.sink_tested' && target.id === sinkId;
      });
      return row && sinkEvent(orgId, { ...row, event_id: idOf(row.leaf) }, sink.format, {});
    });
    if (!event) throw AuditFault.sink_not_found();
    const receiver = this.receivers.open({
      sinkId,
      orgId,
      logOrgId: orgId,
      kind: sink.kind,
      settings: sink.settings,
      format: sink.format,
    });
    const begun = this.clock.monotonic();
    const answer = (code?: string): SinkTestView => ({
      delivered: code === undefined,
      certainty: certaintyOf(sink),
      ...(code !== undefined && { code }),
      pos: event.pos,
      milliseconds: Math.max(0, Math.round(this.clock.monotonic() - begun)),
    });
    const late = AbortSignal.timeout(WITHIN_MS);
    try {
      const sent = receiver.deliver([{ ...event, test: true }], late, () => undefined);
      await within(
        late,
        sent.then(() => receiver.certain(late)),
      );
      return answer();
    } catch (error) {
      return answer(late.aborted ? 'timeout' : asDeliveryFailure(error).code);
    } finally {
      void receiver.close().catch(() => false);
    }
  }
}

/** A secret that does not come, or a disk that hangs, hears no signal. */
function within<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const over = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  return Promise.race([work, over]);
}

function idOf(leaf: string): string {
  return (JSON.parse(leaf) as { id: string }).id;
}
