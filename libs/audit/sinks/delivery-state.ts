import { certaintyOf } from './receivers.ts';
import type { DeliveryView } from './sink.contract.ts';
import type { LaneStateRow, SinkRow } from './sink.store.ts';

/** How far a sink is, by the state of its lanes: every log that it takes, added up. */
export function deliveryOf(
  row: Pick<SinkRow, 'kind' | 'settings'>,
  lanes: readonly LaneStateRow[],
): DeliveryView {
  const sum = (pick: (lane: LaneStateRow) => string | number): number =>
    lanes.reduce((total, lane) => total + Number(pick(lane)), 0);
  const latest = (pick: (lane: LaneStateRow) => Date | null): Date | undefined =>
    lanes.flatMap((lane) => pick(lane) ?? []).sort((a, b) => b.getTime() - a.getTime())[0];
  const worst = lanes.find(({ breaker }) => breaker !== 'closed') ?? lanes[0];
  const failed = lanes
    .filter(({ last_error }) => last_error !== null)
    .sort((a, b) => Number(b.last_error_at) - Number(a.last_error_at))[0];
  const heads = sum(({ head_pos }) => head_pos);
  const delivered = sum(({ delivered_pos }) => delivered_pos);
  const accepted = sum(({ accepted_pos }) => accepted_pos);
  const certainty = certaintyOf(row);
  const deliveredAt = latest(({ delivered_at }) => delivered_at);
  return {
    ...(certainty === 'written' && { writtenPos: delivered }),
    ...(certainty === 'accepted' && { acceptedPos: delivered }),
    ...(certainty === 'indexed' && { acceptedPos: Math.max(accepted, delivered), indexedPos: delivered }),
    headPos: heads,
    lag: Math.max(0, heads - delivered),
    breaker: worst?.breaker ?? 'closed',
    failures: Math.max(0, ...lanes.map(({ failures }) => failures)),
    deadLetters: sum(({ dead }) => dead),
    replaying: lanes.some(({ replay_to }) => replay_to !== null),
    ...(deliveredAt && { deliveredAt: deliveredAt.toISOString() }),
    ...(worst?.retry_at && { retryAt: worst.retry_at.toISOString() }),
    ...(failed?.last_error_at && {
      lastError: { code: failed.last_error ?? '', at: failed.last_error_at.toISOString() },
    }),
  };
}
