import { setting } from '#kernel';

/** What the platform room reads from the environment. */
export const platformSettings = {
  summary: setting.choice(
    'PORTCULLIS_SUMMARY',
    'Whether the summaries of the deployment’s own posture are for everyone or need a permission.',
    ['guarded', 'public'],
    'guarded',
  ),
  diskReserveMegabytes: setting.integer(
    'PORTCULLIS_DISK_RESERVE_MB',
    'Megabytes that stay free on the disk of the data directory: below that the system is read-only; 0 for none.',
    { min: 0, max: 1_048_576, fallback: 256 },
  ),
} as const;
