import { type DynamicModule, Module } from '@nestjs/common';
import { Egress } from './egress.ts';

/** Global: there is one way out to targets that organizations choose, and one list of what is allowed beside. */
@Module({})
export class EgressModule {
  /** `allow`: CIDR. */
  static with(allow: readonly string[]): DynamicModule {
    return {
      module: EgressModule,
      global: true,
      providers: [{ provide: Egress, useValue: new Egress(allow) }],
      exports: [Egress],
    };
  }
}
