import { Injectable } from '@nestjs/common';
import { DeliveryFailure, Egress } from '#egress';
import { Clock } from '#kernel';
import type { Certainty, Receiver } from './delivery.ts';
import { FileReceiver } from './kinds/file.ts';
import { SplunkHecReceiver } from './kinds/splunk-hec.ts';
import { RESEND_WINDOW, SyslogReceiver } from './kinds/syslog.ts';
import { WebhookReceiver } from './kinds/webhook.ts';
import { SinkConfig } from './sink.config.ts';
import type { ReceiverParts, SinkTarget } from './receiver-parts.ts';
import type { SettingsOf, SinkKind } from './sink.settings.ts';
import { SinkSecrets } from './secrets-port.ts';

/** What each kind can know of what it sent. */
export function certaintyOf({ kind, settings }: Pick<SinkTarget, 'kind' | 'settings'>): Certainty {
  if (kind === 'syslog') return 'written';
  if (kind !== 'splunk_hec') return 'accepted';
  return ((settings as SettingsOf['splunk_hec']).acknowledge ?? true) ? 'indexed' : 'accepted';
}

/** How many events go again where a connection did not end in order. */
export function resendWindow({ kind, settings }: Pick<SinkTarget, 'kind' | 'settings'>): number {
  return kind === 'syslog' ? ((settings as SettingsOf['syslog']).resendWindow ?? RESEND_WINDOW) : 0;
}

/** One maker a kind: a new kind is a class and a line here. */
const makers: { readonly [K in SinkKind]: (parts: ReceiverParts<K>) => Receiver } = {
  syslog: (parts) => new SyslogReceiver(parts),
  webhook: (parts) => new WebhookReceiver(parts),
  splunk_hec: (parts) => new SplunkHecReceiver(parts),
  file: (parts) => new FileReceiver(parts),
};

@Injectable()
export class Receivers {
  constructor(
    private readonly egress: Egress,
    private readonly secrets: SinkSecrets,
    private readonly clock: Clock,
    private readonly config: SinkConfig,
  ) {}

  open(target: SinkTarget): Receiver {
    const { kind, orgId, sinkId } = target;
    const parts = {
      ...target,
      egress: this.egress,
      clock: this.clock,
      timeoutMs: this.config.timing.answerMs,
      fileDir: this.config.fileDir,
      secret: async (reference: string | undefined) => {
        if (reference === undefined) return undefined;
        try {
          return (await this.secrets.resolve(orgId, reference, `sink:${sinkId}`)).reveal();
        } catch (error) {
          throw new DeliveryFailure('secret_unavailable', { cause: error });
        }
      },
    };
    return (makers[kind] as (parts: unknown) => Receiver)(parts);
  }
}
