import { type RelayTiming, relayTiming } from '#relay';

/** What sinks take from the configuration. */
export class SinkConfig {
  constructor(
    /** Below it file sinks write; undefined where there are none. */
    readonly fileDir?: string,
    readonly timing: RelayTiming = relayTiming,
  ) {}
}
