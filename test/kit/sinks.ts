import { SinkSecrets } from '#audit';
import { type RelayTiming, relayTiming } from '#relay';
import { Secret } from '#secrets';

/** A store of secrets that a spec fills. */
export class HeldSecrets extends SinkSecrets {
  fail = false;

  constructor(readonly held: Record<string, string>) {
    super();
  }

  override async resolve(_orgId: string, reference: string): Promise<Secret> {
    const found = this.held[reference];
    if (this.fail || found === undefined) throw new Error('no such secret');
    return new Secret(found);
  }
}

/**
 * What takes seconds in production takes a fraction here; but an answer has time enough to come on a busy machine, where
 * one that is late would be asked for twice.
 */
export const quick: RelayTiming = {
  ...relayTiming,
  leaseMs: 5_000,
  lookMs: 50,
  answerMs: 3_000,
  backOff: { firstMs: 50, longestMs: 400, breakAfter: 3 },
};
