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

/** What takes seconds in production takes a fraction here. */
export const quick: RelayTiming = {
  ...relayTiming,
  leaseMs: 3_000,
  lookMs: 50,
  answerMs: 500,
  backOff: { firstMs: 50, longestMs: 400, breakAfter: 3 },
};
