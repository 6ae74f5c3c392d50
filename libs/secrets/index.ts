export { MasterKey } from './master-key.ts';
export { SecretsModule } from './secrets.module.ts';
