import type { OrgTx, SystemTx } from '#database';
import { newId } from '#kernel';

export interface TemplateRow {
  readonly org_id: string;
  readonly id: string;
  readonly name: string;
  readonly gitea_hook_id: string;
  readonly repository: string;
  readonly ref: string;
  readonly policy_id: string;
  readonly plan: object;
  readonly seals: boolean;
  readonly created_by: string;
  readonly created_at: Date;
}

/** A person may look through all of them, and one reading of Gitea goes through those of its repository. */
const AT_MOST = 100;

export async function readTemplates(tx: OrgTx, limit: number, before?: string): Promise<TemplateRow[]> {
  return tx.query<TemplateRow>(
    `SELECT org_id, id, name, gitea_hook_id, repository, ref, policy_id, '{}'::jsonb AS plan, seals, created_by, created_at
       FROM rollout_templates WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

export async function readTemplate(tx: OrgTx, id: string): Promise<TemplateRow | undefined> {
  return tx.one<TemplateRow>('SELECT * FROM rollout_templates WHERE org_id = $1 AND id = $2', [tx.orgId, id]);
}

/** Undefined where the name is taken, or there are as many as there may be. */
export async function insertTemplate(
  tx: OrgTx,
  one: Omit<TemplateRow, 'org_id' | 'id' | 'created_at'>,
): Promise<TemplateRow | undefined> {
  return tx.one<TemplateRow>(
    `INSERT INTO rollout_templates (org_id, id, name, gitea_hook_id, repository, ref, policy_id, plan, seals, created_by)
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
      WHERE (SELECT count(*) FROM rollout_templates WHERE org_id = $1) < $11
     ON CONFLICT (org_id, name) DO NOTHING RETURNING *`,
    [
      tx.orgId,
      newId(),
      one.name,
      one.gitea_hook_id,
      one.repository,
      one.ref,
      one.policy_id,
      JSON.stringify(one.plan),
      one.seals,
      one.created_by,
      AT_MOST,
    ],
  );
}

/** The name; undefined where there is no such template. */
export async function deleteTemplate(tx: OrgTx, id: string): Promise<string | undefined> {
  const row = await tx.one<{ name: string }>(
    'DELETE FROM rollout_templates WHERE org_id = $1 AND id = $2 RETURNING name',
    [tx.orgId, id],
  );
  return row?.name;
}

/** A template with the person who answers for what its hook opens. */
export interface OpeningTemplate extends TemplateRow {
  readonly responsible: string;
}

export async function templatesFor(
  tx: SystemTx,
  of: { orgId: string; hookId: string; repository: string },
): Promise<OpeningTemplate[]> {
  return tx.query<OpeningTemplate>(
    `SELECT t.*, h.created_by AS responsible FROM rollout_templates t JOIN gitea_hooks h ON h.id = t.gitea_hook_id
      WHERE t.org_id = $1 AND t.gitea_hook_id = $2 AND t.repository = $3 ORDER BY t.id LIMIT $4`,
    [of.orgId, of.hookId, of.repository, AT_MOST],
  );
}

/** Undefined where the template has opened one for this commit that did not end before it began. */
export async function openRollout(
  tx: SystemTx,
  template: OpeningTemplate,
  one: {
    title: string;
    description: string;
    supersedes: string | undefined;
    repository: string;
    ref: string;
    commit: string;
  },
): Promise<string | undefined> {
  const row = await tx.one<{ id: string }>(
    `INSERT INTO rollouts (org_id, id, title, description, author_id, planner_id, policy_id, supersedes, template_id,
       source_hook_id, source_repository, source_ref, source_commit)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     ON CONFLICT DO NOTHING RETURNING id`,
    [
      template.org_id,
      newId(),
      one.title,
      one.description,
      template.responsible,
      template.created_by,
      template.policy_id,
      one.supersedes,
      template.id,
      template.gitea_hook_id,
      one.repository,
      one.ref,
      one.commit,
    ],
  );
  return row?.id;
}

/** What a template opened for a commit and nobody has planned yet; locked. */
export async function findDraft(
  tx: SystemTx,
  template: TemplateRow,
  { ref, commit }: { ref: string; commit: string },
): Promise<string | undefined> {
  const row = await tx.one<{ id: string }>(
    `SELECT id FROM rollouts WHERE org_id = $1 AND template_id = $2 AND source_ref = $3 AND source_commit = $4
        AND state = 'draft' ORDER BY id DESC LIMIT 1 FOR UPDATE`,
    [template.org_id, template.id, ref, commit],
  );
  return row?.id;
}
