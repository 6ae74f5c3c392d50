import { getConstructionPlans } from 'pg-boss';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The tables of pg-boss, in a schema of their own that the owner keeps: at run time nothing of it is made or changed.
 * They are those of the installed version. A migration that brings a later one asks `pgboss.version` and runs
 * getMigrationPlans only where that is older, for a new database begins with what is installed then.
 *
 * The system role works jobs off, and declares queues, which are rows. The app adds jobs and may ask for an id; it
 * sees no job's data, which is wrapped besides, and changes none.
 */
export class CreateJobs1763769600010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(withoutTransaction(getConstructionPlans('pgboss')));
    await runner.query(`
      GRANT USAGE ON SCHEMA pgboss TO portcullis_app, portcullis_system;
      GRANT EXECUTE ON FUNCTION pgboss.job_now TO portcullis_app, portcullis_system;

      GRANT INSERT, SELECT (id, start_after) ON pgboss.job_common TO portcullis_app;
      GRANT SELECT ON pgboss.queue TO portcullis_app;

      GRANT EXECUTE ON FUNCTION pgboss.create_queue TO portcullis_system;
      GRANT SELECT, INSERT, UPDATE ON pgboss.queue TO portcullis_system;
      GRANT SELECT, INSERT, UPDATE, DELETE ON pgboss.job, pgboss.job_common, pgboss.schedule TO portcullis_system;
      GRANT SELECT, UPDATE ON pgboss.version TO portcullis_system;
      -- Empty without flows, but the clean-up asks it.
      GRANT SELECT, DELETE ON pgboss.job_dependency TO portcullis_system;
    `);
  }

  async down(): Promise<void> {
    throw new Error('the foundation is not taken back: restore a backup instead');
  }
}

/** The plans bring a transaction of their own; ours is open. */
function withoutTransaction(plans: string): string {
  const inner = /^\s*BEGIN;([\s\S]*)COMMIT;\s*$/.exec(plans)?.[1];
  if (inner === undefined) throw new Error('the plans of pg-boss are not one transaction any more');
  return inner;
}
