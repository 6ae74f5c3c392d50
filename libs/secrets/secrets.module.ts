import { type DynamicModule, Module } from '@nestjs/common';
import { EmbeddedStore } from './embedded/embedded-store.ts';
import { OrgKeys } from './embedded/org-keys.ts';
import { MasterKey } from './master-key.ts';
import { MasterKeyController } from './rotation/rotation.controller.ts';
import { MasterKeyRotation } from './rotation/master-key-rotation.ts';
import { SecretReferences } from './references.ts';
import { SecretStore } from './secret-store.ts';
import { SecretsController } from './secrets.controller.ts';
import { Secrets } from './secrets.ts';

@Module({})
export class SecretsModule {
  static with(key: MasterKey): DynamicModule {
    return {
      module: SecretsModule,
      global: true,
      controllers: [SecretsController, MasterKeyController],
      providers: [
        { provide: MasterKey, useValue: key },
        MasterKeyRotation,
        OrgKeys,
        EmbeddedStore,
        { provide: SecretStore, useExisting: EmbeddedStore },
        SecretReferences,
        Secrets,
      ],
      exports: [MasterKey, OrgKeys, SecretReferences, SecretStore],
    };
  }
}
