import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import { type Caller, Clock, pageOf as cut } from '#kernel';
import { Gates } from '../gates/gates.ts';
import { isPlanned, readRollout } from '../lifecycle/rollout.store.ts';
import type { RiskQuery } from '../risk/risk.contract.ts';
import { readRisks } from '../risk/risk.store.ts';
import { Standing } from '../signoff/standing.ts';
import { readChange } from './change.ts';
import { code, type Html, html } from './html.ts';
import { pageOf, section } from './page.ts';
import { readAccounts } from './report.store.ts';
import * as parts from './sections.ts';
import { found } from '../lifecycle/moves.ts';

const MOST_RISKS = 1_000;
const REGISTER = 'Register of residual risks';

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
      const change = await readChange(tx, row, stand);
      const names = parts.namesOf(change.accounts);
      const results = isPlanned(row) ? await this.gates.evaluate(tx, row, stand) : [];
      return this.#page({ title: row.title, foot: `rollout ${row.id}` }, caller, [
        parts.summary(change, names),
        section('People', parts.people(change)),
        section('Sign-offs', parts.signOffs(change, names)),
        section('Gates, as they stand now', parts.gates(change, results, names)),
        section('Policy, as it was signed', parts.policy(change)),
        section('Plan', parts.plan(change)),
        section('Evidence', parts.evidence(change, names)),
        section('Residual risks', parts.risks(change.risks, names, row)),
        section('Steps that were carried out', parts.steps(change)),
        section('Break-glass', parts.breakGlass(change, names)),
        section('History', parts.history(change, names)),
        section('How to check this page', proof(id)),
      ]);
    });
  }

  /** The register, newest first, at most a thousand. */
  async ofRisks(caller: Caller, { rolloutId, level, treatment, status }: RiskQuery): Promise<string> {
    const now = this.clock.now();
    return this.database.inOrg(caller, async (tx) => {
      const filter = { limit: MOST_RISKS + 1, before: undefined, rolloutId, level, treatment, status, now };
      const { items, next } = cut(await readRisks(tx, filter), MOST_RISKS, (row) => row);
      const ids = items.flatMap((one) => [one.raised_by, one.accepted_by ?? one.raised_by]);
      const names = parts.namesOf(await readAccounts(tx, [...new Set(ids)]));
      const more = next === undefined ? html`` : html`<p>There are more; these are the newest.</p>`;
      return this.#page({ title: REGISTER, foot: REGISTER }, caller, [parts.risks(items, names), more]);
    });
  }

  #page(of: { title: string; foot: string }, caller: Caller, sections: readonly Html[]): string {
    const { name } = caller.org;
    return pageOf(
      { ...of, organization: name, made: this.clock.now(), maker: caller.display ?? caller.id },
      sections,
    );
  }
}

/** A page is only a page; what it says stands in a log that proves itself. */
function proof(id: string): Html {
  return html`<p>
    Every sign-off, every answer to a gate and every move above is a record in the organization's audit log,
    whose target is ${code(id)}. An export of the log is verified by ${code('portcullis audit verify')},
    without this server. Signatures of evidence are verified by the envelopes, whose digests stand above. A
    digest of a plan is SHA-256 over its canonical form (RFC 8785): a plan with another step, target, commit
    or policy has another.
  </p>`;
}
