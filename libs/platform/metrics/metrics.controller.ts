import { Controller, Get, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, PLATFORM } from '#access';
import { Answers } from '#http';
import { Metrics } from './metrics.ts';

@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @Access({ permission: 'metrics:read', org: PLATFORM })
  @Answers(undefined, {
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    description:
      'What this process and the deployment do, in the text format of Prometheus. What cannot be read is left out, and portcullis_scrape_error says so.',
  })
  scrape(@Req() request: AccessRequest): Promise<string> {
    return this.metrics.text(callerOf(request));
  }
}
