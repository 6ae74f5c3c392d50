import { setting } from '#kernel';

/** What the audit room reads from the environment. */
export const auditSettings = {
  auditCheckpointSeconds: setting.integer(
    'PORTCULLIS_AUDIT_CHECKPOINT_SECONDS',
    'How often a checkpoint of each log that has grown is signed and published.',
    { min: 1, max: 86_400, fallback: 60 },
  ),
  auditAnchorDir: setting.text(
    'PORTCULLIS_AUDIT_ANCHOR_DIR',
    'A directory that checkpoints are published to and compared with; best one that the database server cannot write.',
  ),
  auditFileDir: setting.text(
    'PORTCULLIS_AUDIT_FILE_DIR',
    'The directory below which file sinks of the platform organization write; without it there are none.',
  ),
} as const;
