import type { Egress } from '#egress';
import type { Clock } from '#kernel';
import type { ExportFormat } from '../formats/format.ts';
import type { SettingsOf, SinkKind } from './sink.settings.ts';

/** A sink as far as delivering to it goes. */
export interface SinkTarget {
  readonly sinkId: string;
  /** The organization the sink belongs to; its secrets are resolved there. */
  readonly orgId: string;
  /** Whose log it is. */
  readonly logOrgId: string;
  readonly kind: SinkKind;
  readonly settings: SettingsOf[SinkKind];
  readonly format: ExportFormat;
}

/** What a receiver is made of. */
export interface ReceiverParts<K extends SinkKind> extends Omit<SinkTarget, 'kind' | 'settings'> {
  readonly settings: SettingsOf[K];
  readonly egress: Egress;
  readonly clock: Clock;
  /** For one connection or one answer. */
  readonly timeoutMs: number;
  readonly fileDir: string | undefined;
  /** Resolves a reference of the settings; undefined where there is none. */
  readonly secret: (reference: string | undefined) => Promise<string | undefined>;
}
