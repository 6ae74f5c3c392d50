import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { EmbeddedStore } from './embedded/embedded-store.ts';
import { OrgKeys } from './keys/org-keys.ts';
import { MasterKey } from './master-key.ts';
import { MasterKeyController } from './rotation/rotation.controller.ts';
import { MasterKeyRotation } from './rotation/master-key-rotation.ts';
import { SecretReferences } from './references.ts';
import { SecretStore } from './secret-store.ts';
import { SecretsController } from './secrets.controller.ts';
import { Secrets } from './secrets.ts';
import { SecretLog } from './uses/secret-log.ts';
import { VaultKv } from './vault/kv.ts';
import { VaultChanges } from './vault/vault-changes.ts';
import { VaultIndex } from './vault/vault-index.ts';
import { VaultJobs } from './vault/vault-jobs.ts';
import { VaultStore } from './vault/vault-store.ts';
import { VaultWrites } from './vault/vault-writes.ts';
import { Vault } from './vault/vault.ts';

/** A server, and where in it secrets lie. */
export interface SecretsInVault {
  readonly vault: Vault;
  readonly kvMount: string;
  readonly prefix: string;
}

@Module({})
export class SecretsModule {
  /** Secrets lie in the database where no server is named. */
  static with(key: MasterKey, server?: SecretsInVault): DynamicModule {
    return {
      module: SecretsModule,
      global: true,
      controllers: [SecretsController, MasterKeyController],
      providers: [
        { provide: MasterKey, useValue: key },
        MasterKeyRotation,
        OrgKeys,
        SecretLog,
        ...(server ? inVault(server) : embedded),
        SecretReferences,
        Secrets,
      ],
      exports: [MasterKey, OrgKeys, SecretReferences, SecretStore],
    };
  }
}

const embedded: Provider[] = [EmbeddedStore, { provide: SecretStore, useExisting: EmbeddedStore }];

function inVault({ vault, kvMount, prefix }: SecretsInVault): Provider[] {
  return [
    { provide: Vault, useFactory: () => vault },
    { provide: VaultKv, useFactory: () => new VaultKv(vault, kvMount, prefix) },
    VaultChanges,
    VaultIndex,
    VaultJobs,
    VaultStore,
    VaultWrites,
    { provide: SecretStore, useExisting: VaultStore },
  ];
}
