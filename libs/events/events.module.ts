import { type DynamicModule, Module } from '@nestjs/common';
import { Capabilities } from './capabilities/active-capabilities.ts';
import { CapabilitiesController } from './capabilities/capabilities.controller.ts';
import { CapabilityRegistry } from './capabilities/capability-registry.ts';
import { Events } from './events.ts';
import { EventHeads } from './log/event-heads.ts';
import { EventLog } from './log/event-log.ts';
import { EventLogController, EventTypesController } from './log/event-log.controller.ts';
import { DestinationLags } from './relay/destination-lags.ts';
import { EventConfig } from './relay/event.config.ts';
import { EventRelays } from './relay/event-relays.ts';
import { NatsDestination } from './relay/nats-destination.ts';
import { PublicationsController } from './relay/publications.controller.ts';
import { Publications } from './relay/publications.ts';
import { EventRetention } from './retention/event-retention.ts';

/** Global: whoever changes something may publish what follows. */
@Module({})
export class EventsModule {
  /** Whoever composes the rooms provides EventSecrets, for secrets stand above this room. */
  static with(config: EventConfig): DynamicModule {
    return {
      module: EventsModule,
      global: true,
      controllers: [EventTypesController, PublicationsController, EventLogController, CapabilitiesController],
      providers: [
        Capabilities,
        CapabilityRegistry,
        DestinationLags,
        { provide: EventConfig, useValue: config },
        EventHeads,
        EventLog,
        EventRelays,
        EventRetention,
        Events,
        NatsDestination,
        Publications,
      ],
      exports: [Capabilities, DestinationLags, EventRelays, EventRetention, Events],
    };
  }
}
