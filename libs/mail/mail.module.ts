import { type DynamicModule, Module } from '@nestjs/common';
import { Jobs } from '#jobs';
import { Clock } from '#kernel';
import { Mail } from './mail.ts';
import type { MailConfig } from './mail.config.ts';
import { MailDelivery } from './mail-delivery.ts';

@Module({})
export class MailModule {
  /** Without `config` no mail leaves. */
  static with(config: MailConfig | undefined): DynamicModule {
    return {
      module: MailModule,
      global: true,
      providers: [
        {
          provide: Mail,
          useFactory: (jobs: Jobs, clock: Clock) => new Mail(jobs, clock, config),
          inject: [Jobs, Clock],
        },
        { provide: MailDelivery, useFactory: () => new MailDelivery(config) },
      ],
      exports: [Mail],
    };
  }
}
