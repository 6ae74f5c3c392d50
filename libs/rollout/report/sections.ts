import type { PlannedStep } from '../lifecycle/plan.ts';
import type { RolloutRow } from '../lifecycle/rollout.store.ts';
import type { GateResult } from '../gates/gate.ts';
import type { RiskRow } from '../risk/risk.store.ts';
import type { Quorum } from '../signoff/quorum.ts';
import { type Change, partsOf } from './change.ts';
import { code, type Html, html, moment, table, type Value } from './html.ts';
import { list } from './page.ts';
import type { AccountRow } from './report.store.ts';

/** The sections of a report. Pure: what is on record of a change, as an auditor reads it. */

export type Names = (userId: string) => string;

export function namesOf(accounts: readonly AccountRow[]): Names {
  const known = new Map(accounts.map(({ id, name, email }) => [id, `${name} <${email}>`]));
  return (id) => known.get(id) ?? `${id} (no member any more)`;
}

const yes = (is: boolean): string => (is ? 'yes' : 'no');
const words = (name: string): string => name.replaceAll('_', ' ');

export function summary({ row }: Change, names: Names): Html {
  const person = (id: string | null): string | null => id && names(id);
  const state = words(row.state) + (row.reason === null ? '' : `: ${row.reason}`);
  const gone = row.source_gone_at;
  return html`${row.description === '' ? '' : html`<p>${row.description}</p>`}
  ${list([
    ['State', state],
    ['Rollout', code(row.id)],
    ['Author', names(row.author_id)],
    ['Plan written by', names(row.planner_id ?? row.author_id)],
    ['Commit', row.source_commit === null ? 'of none' : code(row.source_commit)],
    ['Where it stood', row.source_commit === null ? '' : `${row.source_ref} of ${row.source_repository}`],
    ['Gone from there', gone && moment(gone)],
    ['Executor', person(row.executor_id)],
    ['Verifier', person(row.verifier_id)],
    ['Digest of the plan', row.digest && code(row.digest)],
    ['Digest of the way back', row.recovery_digest && code(row.recovery_digest)],
    ['Written', moment(row.created_at)],
    ['Begun', row.begun_at && moment(row.begun_at)],
    ['Completed', row.completed_at && moment(row.completed_at)],
  ])}`;
}

/** Who had which duties: what separation of duties is judged by. */
export function people(change: Change): Html {
  const parts = new Map<string, Set<string>>();
  for (const [id, part] of partsOf(change)) {
    if (part !== '') parts.set(id, (parts.get(id) ?? new Set()).add(part));
  }
  const accounts = new Map(change.accounts.map((one) => [one.id, one]));
  const { personOf } = change.stand;
  return table(
    ['Name', 'E-mail', 'Role now', 'Had part as', 'One person with'],
    [...parts].map(([id, had]) => {
      const account = accounts.get(id);
      const twins = [...parts.keys()].filter((other) => other !== id && personOf(other) === personOf(id));
      return [
        account?.name ?? `${id} (no member any more)`,
        account?.email,
        account?.role,
        [...had].join(', '),
        twins.map((twin) => accounts.get(twin)?.email ?? twin).join(', '),
      ];
    }),
  );
}

/** Where it is one of the two that stand above, its name. */
function digestOf({ digest, recovery_digest: back }: RolloutRow, of: string | null): Value {
  if (of === null) return '';
  if (of === digest) return 'of the plan, as above';
  return of === back ? 'of the way back, as above' : code(of);
}

export function signOffs({ row, stand }: Change, names: Names): Html {
  return table(
    ['Who', 'Decision', 'For', 'Digest', 'When', 'Counts now', 'Comment'],
    stand.signOffs
      .toReversed()
      .map((one) => [
        names(one.user_id),
        one.decision,
        one.purpose,
        digestOf(row, one.digest),
        moment(one.at),
        yes(one.counts),
        one.comment,
      ]),
  );
}

export function gates({ answers }: Change, results: readonly GateResult[], names: Names): Html {
  const evaluated = table(
    ['Gate', 'Kind', 'Verdict', 'Reason', 'Blocks', 'Until'],
    results.map((one) => [
      words(one.name),
      words(one.kind),
      one.verdict,
      one.reason,
      one.dryRun ? 'no, a dry run' : 'yes',
      one.until === undefined ? '' : moment(new Date(one.until)),
    ]),
  );
  if (answers.length === 0) return evaluated;
  return html`${evaluated}
    <h3>Answers to gates</h3>
    ${table(
      ['Gate', 'Verdict', 'Source', 'By', 'Observed'],
      answers.map((one) => [
        one.gate,
        one.verdict,
        one.source,
        one.hook_id === null ? names(one.recorded_by.replace(/^user:/, '')) : html`hook ${code(one.hook_id)}`,
        moment(one.observed_at),
      ]),
    )}`;
}

function quorum({ anyOf }: Quorum): string {
  const all = anyOf.map(({ allOf }) =>
    allOf
      .map(({ count, role }) => {
        const heads = count === 1 ? '1 person' : `${count} people`;
        return role === undefined ? heads : `${heads} of the role ${role}`;
      })
      .join(' and '),
  );
  return all.join('; or ');
}

export function policy({ row: { plan: sealed } }: Change): Html {
  if (!sealed) return html`<p>None yet.</p>`;
  const { id, rules } = sealed.policy;
  return list([
    ['Policy', code(id)],
    ['People who must sign', quorum(rules.quorum)],
    ['For irreversible steps', quorum(rules.irreversibleQuorum)],
    ['For a rollback within its window', quorum(rules.rollbackQuorum)],
    ['For an exception from a freeze', quorum(rules.freezeQuorum)],
    ['Ends the review', rules.consensus || rules.denials === 1 ? 'one denial' : `${rules.denials} denials`],
    [
      'Kept apart',
      ['author and approver', ...rules.separate.map((pair) => pair.map(words).join(' and '))].join('; '),
    ],
    [
      'Gates',
      rules.gates.map(({ name, kind }) => `${name} (${kind})`).join(', ') ||
        'none besides those of every rollout',
    ],
  ]);
}

function planned(all: readonly PlannedStep[]): Html {
  return table(
    ['Step', 'Command', 'Arguments', 'Effect', 'May be repeated', 'Irreversible'],
    all.map((one) => [
      one.name,
      `${one.command}, version ${one.version}`,
      code(JSON.stringify(one.arguments)),
      words(one.effect),
      yes(one.idempotent),
      yes(one.irreversible),
    ]),
  );
}

export function plan({ row: { plan: sealed }, targets }: Change): Html {
  if (!sealed) return html`<p>None yet.</p>`;
  const now = new Map(targets.map((one) => [one.id, one]));
  const nameOf = (id: string): string => now.get(id)?.name ?? `${id} (deleted)`;
  return html`${list([['Environment', sealed.environment]])}
    <h3>Targets</h3>
    ${table(
      ['Target', 'Kind', 'State when it was planned', 'Version then', 'Version now'],
      sealed.targets.map((one) => [
        nameOf(one.id),
        now.get(one.id)?.kind,
        code(one.state),
        one.version === null ? 'none' : code(one.version),
        code(now.get(one.id)?.version ?? 'none'),
      ]),
    )}
    <h3>Steps on each target</h3>
    ${planned(sealed.steps)}
    <h3>Waves</h3>
    ${table(
      ['Wave', 'Targets', 'Seconds until its checks', 'Checks', 'Failures in a row that end it'],
      sealed.waves.map((one, index) => [
        index + 1,
        one.targets.map(nameOf).join(', '),
        one.bakeSeconds,
        one.checks.length === 0
          ? 'none'
          : one.checks.map(
              ({ name, command, arguments: given }) =>
                html`<div>${name}: ${command} ${code(JSON.stringify(given))}</div>`,
            ),
        one.failureLimit + 1,
      ]),
    )}
    <h3>
      Way back: ${words(sealed.recovery.kind)}, within ${sealed.recovery.windowSeconds} s by the smaller
      quorum
    </h3>
    ${planned(sealed.recovery.steps)}
    <h3>Artifacts</h3>
    ${table(
      ['Artifact', 'Digest'],
      sealed.artifacts.map((one) => [one.name, code(one.digest)]),
    )}
    <h3>Secrets, by version and never by value</h3>
    ${table(
      ['Path', 'Version'],
      sealed.secrets.map((one) => [one.path, one.version]),
    )}`;
}

export function evidence({ evidence: rows }: Change, names: Names): Html {
  return table(
    ['Predicate', 'Result', 'Producer', 'Observed', 'Expires', 'Key, and digest of the envelope'],
    rows.map((one) => [
      one.predicate_type,
      one.result,
      one.producer_id === null ? 'Gitea' : names(one.producer_id),
      moment(one.observed_at),
      one.expires_at === null ? 'never' : moment(one.expires_at),
      html`<div>${code(one.keyid)}${one.key_revoked_at === null ? '' : ' (revoked)'}</div>
        <div>${code(one.digest)}</div>`,
    ]),
  );
}

export function risks(rows: readonly RiskRow[], names: Names, row?: RolloutRow): Html {
  return table(
    ['Risk', 'Level', 'Treatment and rationale', 'Raised by', 'Accepted by', 'Conditions', 'Review, end'],
    rows.map((one) => [
      one.statement,
      html`<div>${one.level}: ${one.likelihood} by ${one.consequence}</div>
        <div>before: ${one.likelihood_before} by ${one.consequence_before}</div>`,
      html`<div>${one.treatment}</div>
        <div>${one.rationale}</div>`,
      html`<div>${names(one.raised_by)}</div>
        <div>${moment(one.created_at)}</div>`,
      one.accepted_by === null
        ? 'nobody'
        : html`<div>${names(one.accepted_by)} as ${one.accepted_as}</div>
            <div>${moment(one.accepted_at)}</div>
            ${one.accepted_digest === null || !row ? '' : html`<div>${digestOf(row, one.accepted_digest)}</div>`}`,
      one.conditions === '' ? 'none' : one.conditions,
      html`${one.review_at === null ? '' : html`<div>review ${moment(one.review_at)}</div>`}
      ${one.valid_until === null ? '' : html`<div>valid until ${moment(one.valid_until)}</div>`}
      ${one.closed_at === null ? '' : html`<div>closed ${moment(one.closed_at)}: ${one.closed_reason}</div>`}`,
    ]),
  );
}

export function steps({ steps: rows, targets }: Change): Html {
  const names = new Map(targets.map(({ id, name }) => [id, name]));
  return table(
    ['Phase', 'Wave', 'Step', 'Target', 'State', 'Runs', 'Begun', 'Ended', 'Code'],
    rows.map((one) => [
      one.phase,
      one.wave + 1,
      one.name,
      one.target_id === null ? 'the wave' : (names.get(one.target_id) ?? one.target_id),
      one.state,
      one.runs,
      moment(one.intended_at),
      moment(one.ended_at),
      one.question === null ? one.code : html`${one.code} ${one.question}`,
    ]),
  );
}

export function breakGlass({ glasses }: Change, names: Names): Html {
  return table(
    ['Opened by', 'From and until', 'Justification', 'Incident', 'Needed', 'Not read', 'Review'],
    glasses.map((one) => [
      names(one.opened_by),
      html`<div>${moment(one.opened_at)}</div>
        <div>${moment(one.ends_at)}</div>`,
      one.justification,
      one.incident,
      yes(one.needed),
      one.unread.join(', '),
      one.reviewed_by === null
        ? html`due ${moment(one.review_due_at)}`
        : html`${names(one.reviewed_by)}, ${moment(one.reviewed_at)}: ${one.review}`,
    ]),
  );
}

export function history({ row, moves }: Change, names: Names): Html {
  return table(
    ['When', 'From', 'To', 'By', 'Why', 'Digest'],
    moves.map((one) => [
      moment(one.at),
      words(one.from_state),
      words(one.to_state),
      one.actor_type === 'user' ? names(one.actor_id) : `${one.actor_type} ${one.actor_id}`,
      one.reason,
      digestOf(row, one.digest),
    ]),
  );
}
