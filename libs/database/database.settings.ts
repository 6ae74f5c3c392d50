import { setting } from '#kernel';

const protocols = ['postgres:', 'postgresql:'];

/** What the database room reads from the environment. */
export const databaseSettings = {
  databaseUrl: setting.url(
    'DATABASE_URL',
    'An external PostgreSQL 15 or newer, as a role that may create roles; embedded where unset.',
    protocols,
  ),
  databaseOwnerUrl: setting.url('PORTCULLIS_DATABASE_OWNER_URL', 'How the owner role connects.', protocols),
  databaseAppUrl: setting.url('PORTCULLIS_DATABASE_APP_URL', 'How the app role connects.', protocols),
  databaseSystemUrl: setting.url(
    'PORTCULLIS_DATABASE_SYSTEM_URL',
    'How the system role connects.',
    protocols,
  ),
  databasePoolSize: setting.integer('PORTCULLIS_DATABASE_POOL_SIZE', 'Connections per role and process.', {
    min: 1,
    max: 200,
    fallback: 10,
  }),
} as const;
