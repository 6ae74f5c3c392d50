export { Database, type DatabaseOptions } from './database.ts';
export { DatabaseFault } from './database.faults.ts';
export { databaseSettings } from './database.settings.ts';
export { DatabaseModule } from './database.module.ts';
export { type InvalidationListener, InvalidationStream, LEASE_MS } from './invalidation-stream.ts';
export { isOutage, sqlState } from './outage.ts';
export { type SystemReason, systemReasons } from './reasons.ts';
export type { OrgTx, SystemTx } from './tx.ts';
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
