import { auditSettings } from '#audit';
import { databaseSettings } from '#database';
import { eventSettings } from '#events';
import { egressSettings } from '#egress';
import { httpSettings } from '#http';
import { setting } from '#kernel';
import { mailSettings } from '#mail';
import { secretAgeSettings, secretSettings } from '#secrets';
import { platformSettings } from '#platform';

/** Everything the product reads from the environment. An unknown PORTCULLIS_ variable stops the start. */
export const settings = {
  ...httpSettings,
  ...databaseSettings,
  ...mailSettings,
  ...egressSettings,
  ...auditSettings,
  ...eventSettings,
  ...secretAgeSettings,
  ...secretSettings,
  ...platformSettings,
  dataDir: setting.required('PORTCULLIS_DATA_DIR', 'Where the product keeps its files.', './.portcullis'),
  role: setting.choice(
    'PORTCULLIS_ROLE',
    'What this process does: serve the API, work in the background, or both.',
    ['all', 'api', 'worker'],
    'all',
  ),
  publicUrl: setting.url('PORTCULLIS_PUBLIC_URL', 'Where clients reach this deployment.', [
    'http:',
    'https:',
  ]),
  masterKeyFile: setting.text(
    'PORTCULLIS_MASTER_KEY_FILE',
    'The master key (mode 0600); master.key in the data directory where unset.',
  ),
  previousMasterKeyFile: setting.text(
    'PORTCULLIS_PREVIOUS_MASTER_KEY_FILE',
    'The master key that the current one takes over from, while it does (mode 0600).',
  ),
  logLevel: setting.choice(
    'PORTCULLIS_LOG_LEVEL',
    'How much the log tells.',
    ['error', 'warn', 'info', 'debug'],
    'info',
  ),
} as const;
