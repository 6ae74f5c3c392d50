import { Injectable } from '@nestjs/common';
import { Egress, failureOf, OutboundHttp, signStandardWebhook } from '#egress';
import { Clock } from '#kernel';
import { SecretReferences } from '../references.ts';
import type { OpenRun } from './rotation.store.ts';

const WITHIN_MS = 10_000;

/** `before`: whoever refuses keeps the version that is. `after`: it may be taken up now; both are valid. */
export type HookPhase = 'before' | 'after';

/**
 * Tells who asked for it of a rotation, by an HTTPS POST signed as Standard Webhooks says. It never holds a value: who
 * is told gets it where they may. The id is the same however often it is sent.
 */
@Injectable()
export class RotationHooks {
  constructor(
    private readonly egress: Egress,
    private readonly references: SecretReferences,
    private readonly clock: Clock,
  ) {}

  /** Rejects with a DeliveryFailure or a Fault where it was not taken (2xx). */
  async send(hook: NonNullable<OpenRun['hook']>, run: OpenRun, phase: HookPhase): Promise<void> {
    const key = await this.references.resolve(run.org_id, hook.hmacKey, `webhook:rotation-${run.secret_id}`);
    const now = this.clock.now();
    const body = JSON.stringify({
      type: `secret.rotation.${phase}`,
      timestamp: now.toISOString(),
      data: {
        organizationId: run.org_id,
        secretId: run.secret_id,
        runId: run.id,
        field: run.field,
        overlapSeconds: run.overlap_seconds,
        ...(run.from_version !== null && { fromVersion: run.from_version }),
        ...(run.to_version !== null && { toVersion: run.to_version }),
      },
    });
    const headers = {
      'content-type': 'application/json',
      ...signStandardWebhook(key.reveal(), `${run.id}_${phase}`, now, body),
    };
    const out = new OutboundHttp(this.egress, WITHIN_MS);
    try {
      const late = AbortSignal.timeout(WITHIN_MS);
      const question = { method: 'POST', url: new URL(hook.url), headers, body: Buffer.from(body) } as const;
      const failure = failureOf(await out.ask(question, late));
      if (failure) throw failure;
    } finally {
      out.close();
    }
  }
}
