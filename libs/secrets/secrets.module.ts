import { type DynamicModule, Module } from '@nestjs/common';
import { MasterKey } from './master-key.ts';

@Module({})
export class SecretsModule {
  static with(key: MasterKey): DynamicModule {
    return {
      module: SecretsModule,
      global: true,
      providers: [{ provide: MasterKey, useValue: key }],
      exports: [MasterKey],
    };
  }
}
