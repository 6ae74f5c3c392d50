import type { RemoteStore } from '../secrets.module.ts';
import { VaultKv } from './kv.ts';
import { VaultChanges } from './vault-changes.ts';
import { VaultIndex } from './vault-index.ts';
import { VaultJobs } from './vault-jobs.ts';
import { VaultRotations } from './vault-rotations.ts';
import { VaultStore } from './vault-store.ts';
import { VaultWrites } from './vault-writes.ts';
import type { VaultConfig } from './vault.config.ts';
import { Vault } from './vault.ts';

/** The store of secrets in a KV engine of this server. */
export function inVault(vault: Vault, { kvMount, prefix }: VaultConfig): RemoteStore {
  return {
    providers: [
      { provide: Vault, useFactory: () => vault },
      { provide: VaultKv, useFactory: () => new VaultKv(vault, kvMount, prefix) },
      VaultChanges,
      VaultIndex,
      VaultJobs,
      VaultRotations,
      VaultStore,
      VaultWrites,
    ],
    inject: [VaultStore],
    useFactory: (store: VaultStore) => store,
  };
}
