import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Whose authority an invitation stands on: the organization's own people and keys, or the platform's operators, who
 * invite the owner of a new tenant. Acceptance asks there again whether the inviter still holds what they gave.
 */
export class KeepInviters1763769600018 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE invitations ADD COLUMN by_platform boolean NOT NULL DEFAULT false;
      -- Until now nobody from outside but a platform operator could invite.
      UPDATE invitations i SET by_platform = true
       WHERE NOT EXISTS (SELECT FROM memberships m WHERE m.org_id = i.org_id AND m.user_id = i.invited_by)
         AND NOT EXISTS (SELECT FROM api_keys k WHERE k.org_id = i.org_id AND k.id = i.invited_by)
         AND EXISTS (SELECT FROM memberships m JOIN organizations o ON o.id = m.org_id
                      WHERE o.kind = 'platform' AND m.user_id = i.invited_by);
    `);
  }

  async down(): Promise<void> {
    throw new Error('inviters are not forgotten again: restore a backup instead');
  }
}
