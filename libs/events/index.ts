export { Capabilities } from './capabilities/active-capabilities.ts';
export { EventConfig } from './relay/event.config.ts';
export { EventRelays } from './relay/event-relays.ts';
export { EventRetention } from './retention/event-retention.ts';
export { Events } from './events.ts';
export { EventSecrets } from './relay/event-secrets.ts';
export { eventConfig, eventSettings } from './relay/event.settings.ts';
export { EventsModule } from './events.module.ts';
export { eventTypes } from './event-types.ts';
