import { Global, Module } from '@nestjs/common';
import { Events } from './events.ts';
import { EventHeads } from './log/event-heads.ts';
import { EventLog } from './log/event-log.ts';
import { EventLogController, EventTypesController } from './log/event-log.controller.ts';
import { LiveCallers } from './log/live-callers.ts';

/** Global: whoever changes something may publish what follows. */
@Global()
@Module({
  controllers: [EventTypesController, EventLogController],
  providers: [EventHeads, EventLog, Events, LiveCallers],
  exports: [Events],
})
export class EventsModule {}
