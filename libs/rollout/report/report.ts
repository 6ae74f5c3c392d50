import { Injectable } from '@nestjs/common';
import { readSteps } from '../apply/step.store.ts';
import { glassesOf } from '../breakglass/break-glass.store.ts';
import { Database, type OrgTx } from '#database';
import { type Caller, Clock, pageOf } from '#kernel';
import { type EvidenceRow, readEvidence } from '../evidence/evidence.store.ts';
import { Gates } from '../gates/gates.ts';
import {
  authorsOf,
  boundTo,
  isPlanned,
  readMoves,
  readRollout,
  type RolloutRow,
} from '../lifecycle/rollout.store.ts';
import { found } from '../lifecycle/rollouts.ts';
import { readRisks, type RiskRow, risksOf } from '../risk/risk.store.ts';
import type { RiskQuery } from '../risk/risk.contract.ts';
import { type Stand, Standing, subjectsOf } from '../signoff/standing.ts';
import { readStanding } from '../signoff/person.store.ts';
import { commitSubject } from '../sources/facts.ts';
import { findTargets } from '../targets/target.store.ts';
import { Html, html, table } from './html.ts';

const STYLE = new Html(`<style>
  body { font: 11pt/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; color: #111; }
  h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; border-bottom: 1px solid #999; }
  table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border: 1px solid #ccc; }
  th { background: #eee; } code { font-size: .85em; overflow-wrap: anywhere; } dt { font-weight: 600; }
  @page { size: A4; margin: 18mm; }
  @media print { body { margin: 0; max-width: none; font-size: 9pt; } h2 { break-after: avoid; } tr { break-inside: avoid; } thead { display: table-header-group; } }
</style>`);

/** The whole of a change on one page, for an auditor: as HTML that prints well and loads nothing. */
@Injectable()
export class Reports {
  constructor(
    private readonly database: Database,
    private readonly gates: Gates,
    private readonly standing: Standing,
    private readonly clock: Clock,
  ) {}

  async ofRollout(caller: Caller, id: string): Promise<string> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await found(readRollout(tx, tx.orgId, id));
      const stand = await this.standing.of(tx, row);
      const names = await namesOf(tx, row, stand);
      return this.#page(row.title, caller, [
        summary(row, names),
        section('Sign-offs', signOffs(stand, names)),
        section('Gates, as they stand now', await this.#gates(tx, row, stand)),
        section('Plan', await plan(tx, row)),
        section('Evidence', await evidence(tx, row, names)),
        section('Residual risks', risks(await risksOf(tx, tx.orgId, id), names)),
        section('Steps', await steps(tx, id)),
        section('Break-glass', await glass(tx, id, names)),
        section('History', await history(tx, id, names)),
      ]);
    });
  }

  /** The register, newest first, at most a thousand. */
  async ofRisks(caller: Caller, { rolloutId, level, treatment, status }: RiskQuery): Promise<string> {
    const now = this.clock.now();
    return this.database.inOrg(caller, async (tx) => {
      const filter = { limit: 1_001, before: undefined, rolloutId, level, treatment, status, now };
      const { items, next } = pageOf(await readRisks(tx, filter), 1_000, (row) => row);
      const people = await readStanding(
        tx,
        tx.orgId,
        items.flatMap((one) => [one.raised_by, one.accepted_by ?? one.raised_by]),
      );
      const known = new Map(people.map(({ user_id: id, email }) => [id, email]));
      const cut = next === undefined ? html`` : html`<p>There are more; these are the newest.</p>`;
      return this.#page('Register of residual risks', caller, [
        risks(items, (id) => known.get(id) ?? id),
        cut,
      ]);
    });
  }

  async #gates(tx: OrgTx, row: RolloutRow, stand: Stand): Promise<Html> {
    const results = isPlanned(row) ? await this.gates.evaluate(tx, row, stand) : [];
    return table(
      ['Gate', 'Kind', 'Verdict', 'Reason', 'Blocks'],
      results.map((one) => [one.name, one.kind, one.verdict, one.reason, one.dryRun ? 'no' : 'yes']),
    );
  }

  #page(title: string, caller: Caller, sections: readonly Html[]): string {
    const made = this.clock.now().toISOString();
    const page = html`<!doctype html>
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width" />
          <title>${title}</title>
          ${STYLE}
        </head>
        <body>
          <h1>${title}</h1>
          <p>${caller.org.name}, ${made}</p>
          ${sections}
        </body>
      </html>`;
    return page.text;
  }
}

type Names = (id: string) => string;

async function namesOf(tx: OrgTx, row: RolloutRow, stand: Stand): Promise<Names> {
  const rows = await readEvidence(tx, { limit: 100, before: undefined, subject: subjectsOf(row)[0] });
  const ids = [
    ...authorsOf(row),
    row.executor_id,
    row.verifier_id,
    ...stand.signOffs.map(({ user_id: id }) => id),
    ...rows.map(({ producer_id: id }) => id),
  ].filter((id) => id !== null);
  const people = await readStanding(tx, tx.orgId, [...new Set(ids)]);
  const known = new Map(people.map(({ user_id: id, email }) => [id, email]));
  return (id) => known.get(id) ?? id;
}

const section = (title: string, content: Html): Html =>
  html`<h2>${title}</h2>
    ${content}`;

const at = (time: Date | null): string => time?.toISOString() ?? '';

function summary(row: RolloutRow, names: Names): Html {
  const facts: [string, string | null][] = [
    ['Rollout', row.id],
    ['State', row.state],
    ['Reason', row.reason],
    ['Author', names(row.author_id)],
    ['Plan written by', names(row.planner_id ?? row.author_id)],
    ['Commit', row.source_commit ?? 'none'],
    ['Of', row.source_commit === null ? '' : `${row.source_ref} of ${row.source_repository}`],
    ['Executor', row.executor_id && names(row.executor_id)],
    ['Verifier', row.verifier_id && names(row.verifier_id)],
    ['Digest', row.digest],
    ['Digest of the recovery', row.recovery_digest],
    ['Begun', at(row.begun_at)],
    ['Completed', at(row.completed_at)],
  ];
  return html`<p>${row.description}</p>
    <dl>
      ${facts
        .filter(([, value]) => value !== null && value !== '')
        .map(
          ([name, value]) =>
            html`<dt>${name}</dt>
              <dd><code>${value}</code></dd>`,
        )}
    </dl>`;
}

function signOffs({ signOffs: all }: Stand, names: Names): Html {
  return table(
    ['Who', 'Decision', 'Of', 'Digest', 'When', 'Counts now', 'Comment'],
    all.map((one) => [
      names(one.user_id),
      one.decision,
      one.purpose,
      html`<code>${one.digest}</code>`,
      at(one.at),
      one.counts ? 'yes' : 'no',
      one.comment,
    ]),
  );
}

async function plan(tx: OrgTx, { plan: sealed }: RolloutRow): Promise<Html> {
  if (!sealed) return html`<p>None yet.</p>`;
  const targets = await findTargets(
    tx,
    tx.orgId,
    sealed.targets.map(({ id }) => id),
  );
  const stepRows = (all: typeof sealed.steps): Html =>
    table(
      ['Step', 'Command', 'Arguments', 'Effect', 'Idempotent', 'Irreversible'],
      all.map((one) => [
        one.name,
        `${one.command} ${one.version}`,
        html`<code>${JSON.stringify(one.arguments)}</code>`,
        one.effect,
        one.idempotent ? 'yes' : 'no',
        one.irreversible ? 'yes' : 'no',
      ]),
    );
  return html`<p>Environment: ${sealed.environment}</p>
    <h3>Targets</h3>
    ${table(
      ['Target', 'Version now'],
      targets.map((one) => [one.name, html`<code>${one.version}</code>`]),
    )}
    <h3>Steps</h3>
    ${stepRows(sealed.steps)}
    <h3>Recovery: ${sealed.recovery.kind}</h3>
    ${stepRows(sealed.recovery.steps)}
    <h3>Artifacts</h3>
    ${table(
      ['Artifact', 'Digest'],
      sealed.artifacts.map((one) => [one.name, html`<code>${one.digest}</code>`]),
    )}`;
}

async function evidence(tx: OrgTx, row: RolloutRow, names: Names): Promise<Html> {
  const rows: EvidenceRow[] = [];
  const source = boundTo(row);
  for (const subject of [...subjectsOf(row), ...(source ? [commitSubject(source)] : [])])
    rows.push(...(await readEvidence(tx, { limit: 100, before: undefined, subject })));
  return table(
    ['Predicate', 'Result', 'Producer', 'Key', 'Observed', 'Expires', 'Envelope'],
    rows.map((one) => [
      one.predicate_type,
      one.result,
      one.producer_id === null ? 'Gitea' : names(one.producer_id),
      html`<code>${one.keyid}</code>${one.key_revoked_at === null ? '' : ' (revoked)'}`,
      at(one.observed_at),
      at(one.expires_at),
      html`<code>${one.digest}</code>`,
    ]),
  );
}

function risks(rows: readonly RiskRow[], names: Names): Html {
  return table(
    ['Risk', 'Level', 'Treatment', 'Rationale', 'Conditions', 'Accepted by', 'Valid until', 'Closed'],
    rows.map((one) => [
      one.statement,
      `${one.level} (${one.likelihood} by ${one.consequence}; before ${one.likelihood_before} by ${one.consequence_before})`,
      one.treatment,
      one.rationale,
      one.conditions,
      one.accepted_by === null ? '' : `${names(one.accepted_by)} as ${one.accepted_as}`,
      at(one.valid_until),
      one.closed_at === null ? '' : `${at(one.closed_at)} ${one.closed_reason}`,
    ]),
  );
}

async function steps(tx: OrgTx, id: string): Promise<Html> {
  const rows = await readSteps(tx, tx.orgId, id);
  return table(
    ['Phase', 'Number', 'Wave', 'Step', 'Target', 'State', 'Runs', 'Begun', 'Ended', 'Code'],
    rows.map((one) => [
      one.phase,
      one.unit,
      one.wave,
      one.name,
      html`<code>${one.target_id}</code>`,
      one.state,
      one.runs,
      at(one.intended_at),
      at(one.ended_at),
      one.code,
    ]),
  );
}

async function glass(tx: OrgTx, id: string, names: Names): Promise<Html> {
  const rows = await glassesOf(tx, tx.orgId, id);
  return table(
    ['Opened by', 'At', 'Until', 'Justification', 'Incident', 'Needed', 'Unread', 'Review'],
    rows.map((one) => [
      names(one.opened_by),
      at(one.opened_at),
      at(one.ends_at),
      one.justification,
      one.incident,
      one.needed ? 'yes' : 'no',
      one.unread.join(', '),
      one.reviewed_by === null ? `due ${at(one.review_due_at)}` : `${names(one.reviewed_by)}: ${one.review}`,
    ]),
  );
}

async function history(tx: OrgTx, id: string, names: Names): Promise<Html> {
  const rows = await readMoves(tx, id, 1_000);
  return table(
    ['When', 'From', 'To', 'By', 'Why', 'Digest'],
    rows.map((one) => [
      at(one.at),
      one.from_state,
      one.to_state,
      one.actor_type === 'user' ? names(one.actor_id) : `${one.actor_type} ${one.actor_id}`,
      one.reason,
      html`<code>${one.digest}</code>`,
    ]),
  );
}
