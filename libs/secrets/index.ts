export { EmbeddedStore } from './embedded/embedded-store.ts';
export { OrgKeys } from './embedded/org-keys.ts';
export { MasterKey } from './master-key.ts';
export { readReference } from './reference.ts';
export { DEPLOYMENT, SecretReferences } from './references.ts';
export { type OpenedSecret, type Purpose, type SecretSettings, SecretStore } from './secret-store.ts';
export { Secret } from './secret.ts';
export { SecretsModule } from './secrets.module.ts';
