export { lockHolder } from './directory-lock.ts';
export { type EmbeddedServer, type EmbeddedServerOptions, startEmbeddedServer } from './embedded-server.ts';
export { migrate, type MigrationList } from './migrate.ts';
export {
  type DatabaseUrls,
  DatabaseSetupError,
  grantDatabase,
  prepareDatabase,
  roles,
  SCHEMA,
} from './prepare.ts';
