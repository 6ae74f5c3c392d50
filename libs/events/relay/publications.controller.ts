import { Body, Controller, Get, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, pageViewOf } from '#http';
import type { Page } from '#kernel';
import { EventFault } from '../events.faults.ts';
import {
  DeadEventView,
  DeadLettersQuery,
  DestinationList,
  RetryRequest,
  RetryView,
} from './publications.contract.ts';
import { Publications } from './publications.ts';

@Controller('api/v1/orgs/:orgId/events')
export class PublicationsController {
  constructor(private readonly publications: Publications) {}

  @Get('destinations')
  @Access({ permission: 'event:read', org: 'orgId' })
  @Answers(DestinationList, { description: 'Where events are published to, and how far that has got.' })
  destinations(@Req() request: AccessRequest): Promise<DestinationList> {
    return this.publications.destinations(callerOf(request));
  }

  @Get('dead-letters')
  @Access({ permission: 'event:read', org: 'orgId' })
  @Answers(pageViewOf(DeadEventView), { description: 'What a destination refused for good.' })
  deadLetters(@Req() request: AccessRequest, @Query() query: DeadLettersQuery): Promise<Page<DeadEventView>> {
    return this.publications.deadLetters(callerOf(request), query);
  }

  @Post('dead-letters/retry')
  @Access({ permission: 'event:retry', org: 'orgId' })
  @Answers(RetryView, {
    faults: [EventFault.destination_not_found],
    description: 'Have dead letters published once more, under their own ids and after what came later.',
  })
  retry(@Req() request: AccessRequest, @Body() body: RetryRequest): Promise<RetryView> {
    return this.publications.retry(callerOf(request), body);
  }
}
