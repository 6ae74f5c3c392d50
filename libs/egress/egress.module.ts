import { type DynamicModule, Module } from '@nestjs/common';
import { Egress } from './egress.ts';

@Module({})
export class EgressModule {
  /** `allow`: CIDR of networks that are not public and may still be reached. */
  static with(allow: readonly string[]): DynamicModule {
    return {
      module: EgressModule,
      global: true,
      providers: [{ provide: Egress, useValue: new Egress(allow) }],
      exports: [Egress],
    };
  }
}
