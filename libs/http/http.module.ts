import { Module } from '@nestjs/common';
import { AccessModule } from '#access';
import { DocsController } from './docs.controller.ts';
import { OpenApi } from './open-api.ts';
import { RequestTimes } from './request-times.ts';

/** The API's own documents. The rest of the room works through createHttpApp. Needs Denials from above. */
@Module({
  imports: [AccessModule],
  controllers: [DocsController],
  providers: [OpenApi, RequestTimes],
  exports: [RequestTimes],
})
export class HttpModule {}
