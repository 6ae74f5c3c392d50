import { type DynamicModule, Module } from '@nestjs/common';
import { AccessModule } from '#access';
import { Jobs, JobsConfig } from './jobs.ts';
import { QueueDepths } from './queue-depths.ts';

@Module({})
export class JobsModule {
  /** `systemUrl` is how the system role connects; `seal` is the master key. */
  static with(config: JobsConfig): DynamicModule {
    return {
      module: JobsModule,
      global: true,
      imports: [AccessModule],
      providers: [{ provide: JobsConfig, useValue: config }, Jobs, QueueDepths],
      exports: [Jobs, QueueDepths],
    };
  }
}
