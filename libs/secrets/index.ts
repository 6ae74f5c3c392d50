export { CachedStore } from './cache/cached-store.ts';
export { type SecretAges, secretAgeSettings } from './cache/secret-ages.ts';
export { StorePosture } from './cache/store-posture.ts';
export { EmbeddedStore } from './embedded/embedded-store.ts';
export { OrgKeys } from './keys/org-keys.ts';
export { MasterKey } from './master-key.ts';
export { readReference } from './reference.ts';
export { DEPLOYMENT, SecretReferences } from './references.ts';
export type { SecretReference } from './reference.ts';
export {
  type Fields,
  type FoundValue,
  type NewestVersion,
  type OpenedSecret,
  type Purpose,
  type Resolver,
  type SecretMetadata,
  type SecretSettings,
  SecretStore,
  type VersionMetadata,
  type Which,
} from './secret-store.ts';
export { SecretFault } from './secrets.faults.ts';
export { ResolvedSecret, Secret } from './secret.ts';
export { SecretsModule, type SecretsOptions } from './secrets.module.ts';
export { SecretLog } from './uses/secret-log.ts';
export { inVault } from './vault/in-vault.ts';
export { recordTheft } from './vault/theft.ts';
export { TransitKey } from './vault/transit.ts';
export { TransitSigner } from './vault/transit-signer.ts';
export { makeWrappedKey, readWrappedKey } from './vault/wrapped-master-key.ts';
export { vaultPath } from './vault/path.ts';
export { type VaultConfig, vaultConfig, vaultOf } from './vault/vault.config.ts';
export { secretSettings } from './vault/vault.settings.ts';
export type { Vault } from './vault/vault.ts';
export { type DatabaseLoginKind, VaultDatabaseLogins } from './vault/vault-database-logins.ts';
