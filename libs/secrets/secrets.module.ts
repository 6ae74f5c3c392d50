import { type DynamicModule, Module } from '@nestjs/common';
import { EmbeddedStore } from './embedded/embedded-store.ts';
import { OrgKeys } from './embedded/org-keys.ts';
import { MasterKey } from './master-key.ts';
import { SecretReferences } from './references.ts';
import { SecretStore } from './secret-store.ts';

@Module({})
export class SecretsModule {
  static with(key: MasterKey): DynamicModule {
    return {
      module: SecretsModule,
      global: true,
      providers: [
        { provide: MasterKey, useValue: key },
        OrgKeys,
        EmbeddedStore,
        { provide: SecretStore, useExisting: EmbeddedStore },
        SecretReferences,
      ],
      exports: [MasterKey, OrgKeys, SecretReferences, SecretStore],
    };
  }
}
