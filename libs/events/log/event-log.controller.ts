import { Controller, Get, Param, Query, Req, StreamableFile } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, SignedIn } from '#access';
import { Answers, IdPipe } from '#http';
import { EventFault } from '../events.faults.ts';
import { eventCatalogue } from './event-catalogue.ts';
import { EventDetailView, EventList, EventsQuery, EventTypeList, StreamQuery } from './event-log.contract.ts';
import { EventLog } from './event-log.ts';

@Controller('api/v1/events')
export class EventTypesController {
  @Get('types')
  @SignedIn('what can be published is no secret; what was is')
  @Answers(EventTypeList, { description: 'Every type of event there is.' })
  types(): EventTypeList {
    return eventCatalogue;
  }
}

@Controller('api/v1/orgs/:orgId/events')
export class EventLogController {
  constructor(private readonly log: EventLog) {}

  @Get()
  @Access({ permission: 'event:read', org: 'orgId' })
  @Answers(EventList, {
    faults: [EventFault.beyond_log, EventFault.pruned],
    description:
      'CloudEvents in order of position. Continue with `after` = `next`; a range once read is complete and stays identical.',
  })
  list(@Req() request: AccessRequest, @Query() query: EventsQuery): Promise<EventList> {
    return this.log.list(callerOf(request), query);
  }

  @Get('stream')
  @Access({ permission: 'event:read', org: 'orgId' })
  @Answers(undefined, {
    contentType: 'text/event-stream',
    faults: [EventFault.beyond_log, EventFault.pruned, EventFault.too_many_streams],
    description:
      'The same as server-sent events: the id of a message is its position, and `Last-Event-ID` continues after it. Ends after five minutes, and at once when the caller’s authority changes.',
  })
  async stream(@Req() request: AccessRequest, @Query() query: StreamQuery): Promise<StreamableFile> {
    const after = lastSeen(request) ?? query.after ?? 0;
    const stream = await this.log.stream(callerOf(request), { ...query, after });
    return new StreamableFile(stream, { type: 'text/event-stream' });
  }

  @Get(':eventId')
  @Access({ permission: 'event:read', org: 'orgId' })
  @Answers(EventDetailView, {
    faults: [EventFault.not_found],
    description: 'One event, and the evidence of what was published where.',
  })
  read(@Req() request: AccessRequest, @Param('eventId', IdPipe) eventId: string): Promise<EventDetailView> {
    return this.log.read(callerOf(request), eventId);
  }
}

/** What a client that was cut off has seen; anything but a position is no answer of ours and counts for nothing. */
function lastSeen(request: AccessRequest): number | undefined {
  const header = request.headers['last-event-id'];
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}
