export { Events } from './events.ts';
export { EventsModule } from './events.module.ts';
export { type EventType, eventTypes } from './event-types.ts';
