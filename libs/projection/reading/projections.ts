import { Injectable } from '@nestjs/common';
import { Database, type OrgTx, type SystemTx } from '#database';
import { type Caller, Clock, type Page, pageOf, readPage } from '#kernel';
import {
  readSubject,
  readSubjectPage,
  readTransitionAt,
  readTransitions,
  type Subject,
  type TransitionRow,
} from '../history/projection.store.ts';
import { changesBetween, type Difference, type Snapshot } from '../history/snapshot.ts';
import { ProjectionFault } from '../projection.faults.ts';
import { existingSurfaces } from '../surfaces/surface.store.ts';
import { project, type Projection } from '../verdict/verdict.ts';
import type { Verdict } from '../verdict/vocabulary.ts';
import { OwnSurfaces, withRecorded } from './own-surfaces.ts';
import { present, tell, timeOf, type Told } from './projection-view.ts';
import type {
  DiffQuery,
  DifferenceView,
  DiffView,
  ProjectionsQuery,
  ProjectionView,
  TransitionView,
} from './projections.contract.ts';

/** Rows read at once where most of them may be filtered out. */
const SCAN = 200;

/** What everybody reads: one explicit posture per surface. Computed when it is asked for, so it cannot be out of date. */
@Injectable()
export class Projections {
  constructor(
    private readonly database: Database,
    private readonly own: OwnSurfaces,
    private readonly clock: Clock,
  ) {}

  /** For other rooms, in a transaction of theirs. Undefined where there is no such surface. */
  async of(tx: OrgTx, surfaceId: string): Promise<Projection | undefined> {
    const subject = await readSubject(tx, surfaceId);
    return subject && project(subject.facts, subject.policy, this.clock.now().getTime());
  }

  /** Those of these surfaces that are there; for other rooms, in a transaction of theirs. */
  async existing(
    tx: OrgTx | SystemTx,
    orgId: string,
    surfaceIds: readonly string[],
  ): Promise<ReadonlySet<string>> {
    return new Set(surfaceIds.length === 0 ? [] : await existingSurfaces(tx, orgId, surfaceIds));
  }

  async list(caller: Caller, query: ProjectionsQuery): Promise<Page<ProjectionView>> {
    const { limit, before } = readPage(query);
    const own = await this.own.of(caller.org);
    const found = await this.database.inOrg(caller, async (tx) => {
      const ours = await withRecorded(tx, caller.org.id, own);
      return this.#page(tx, ours, { limit: limit + 1, before, verdict: query.verdict });
    });
    return pageOf(
      found.map((view) => ({ id: view.surfaceId, view })),
      limit,
      ({ view }) => view,
    );
  }

  async describe(caller: Caller, surfaceId: string): Promise<Told> {
    const subject = await this.#subject(caller, surfaceId);
    return tell(subject, this.clock.now().getTime());
  }

  /** Every change with its cause, newest first; what nobody has recorded yet stands first. */
  async history(
    caller: Caller,
    surfaceId: string,
    query: { limit?: number; cursor?: string },
  ): Promise<Page<TransitionView>> {
    const { limit, before } = readPage(query);
    const { rows, subject } = await this.#inOrg(caller, surfaceId, async (tx, found) => ({
      subject: found,
      rows: await readTransitions(tx, surfaceId, limit + 1, before),
    }));
    const page = pageOf(rows, limit, (row) => row);
    const views = page.items.map((row, n) => transitionView(surfaceId, row, rows[n + 1]?.snapshot));
    const pending = before === undefined ? this.#pending(subject) : [];
    return { ...page, items: [...pending, ...views] };
  }

  /** What is not the same at two moments. */
  async diff(caller: Caller, surfaceId: string, query: DiffQuery): Promise<DiffView> {
    const [from, to] = [Date.parse(query.from), Date.parse(query.to)];
    const now = this.clock.now().getTime();
    if (from >= to || to > now) {
      const message = from >= to ? 'must come after from' : 'must not lie in the future';
      throw ProjectionFault.bad_range({ errors: [{ path: 'to', message }] });
    }
    const [before, after] = await this.#inOrg(caller, surfaceId, async (tx, subject) => {
      const { pending } = present(subject, now);
      const at = async (ms: number): Promise<Snapshot | undefined> =>
        pending.findLast((step) => step.at <= ms)?.snapshot ??
        (await readTransitionAt(tx, surfaceId, timeOf(ms)))?.snapshot;
      return [await at(from), await at(to)];
    });
    if (!before || !after) throw ProjectionFault.no_moment();
    return {
      surfaceId,
      from: timeOf(from),
      fromVerdict: before.verdict,
      to: timeOf(to),
      toVerdict: after.verdict,
      changes: changesBetween(before, after).map(differenceView),
    };
  }

  /** All of an organization: at most as many as it may have. */
  async all(tx: OrgTx): Promise<Subject[]> {
    const found: Subject[] = [];
    for (;;) {
      const page = await readSubjectPage(tx, SCAN, found.at(-1)?.id);
      found.push(...page);
      if (page.length < SCAN) return found;
    }
  }

  async #subject(caller: Caller, surfaceId: string): Promise<Subject> {
    return this.#inOrg(caller, surfaceId, async (_tx, subject) => subject);
  }

  async #inOrg<T>(
    caller: Caller,
    surfaceId: string,
    work: (tx: OrgTx, subject: Subject) => Promise<T>,
  ): Promise<T> {
    const own = (await this.own.of(caller.org)).filter(({ id }) => id === surfaceId);
    return this.database.inOrg(caller, async (tx) => {
      const subject =
        own.length > 0 ? (await withRecorded(tx, caller.org.id, own))[0] : await readSubject(tx, surfaceId);
      if (!subject) throw ProjectionFault.surface_not_found();
      return work(tx, subject);
    });
  }

  /** One page of what is stored and what is our own, merged by id; filtered by a verdict as it is now. */
  async #page(
    tx: OrgTx,
    own: readonly Subject[],
    { limit, before, verdict }: { limit: number; before: string | undefined; verdict: Verdict | undefined },
  ): Promise<ProjectionView[]> {
    const now = this.clock.now().getTime();
    const rows = verdict === undefined ? limit : SCAN;
    const views: ProjectionView[] = [];
    for (let after = before; ;) {
      const stored = await readSubjectPage(tx, rows, after);
      const last = stored.length < rows ? undefined : stored.at(-1)?.id;
      const ours = own.filter(
        ({ id }) => (after === undefined || id < after) && (last === undefined || id > last),
      );
      for (const subject of [...stored, ...ours].sort((a, b) => (a.id < b.id ? 1 : -1))) {
        const { view } = tell(subject, now);
        if (verdict === undefined || view.verdict === verdict) views.push(view);
      }
      if (views.length >= limit || last === undefined) return views.slice(0, limit);
      after = last;
    }
  }

  #pending(subject: Subject): TransitionView[] {
    const { pending } = present(subject, this.clock.now().getTime());
    let last = subject.recorded?.snapshot;
    const views = pending.map(({ at, snapshot }) => {
      const row = { id: null, at: new Date(at), cause: { type: 'expiry' as const }, snapshot };
      const view = transitionView(subject.id, { ...row, from_verdict: last?.verdict ?? null }, last);
      last = snapshot;
      return view;
    });
    return views.toReversed();
  }
}

function transitionView(
  surfaceId: string,
  row: Omit<TransitionRow, 'id'> & { id: string | null },
  before: Snapshot | undefined,
): TransitionView {
  const { id, at, cause, from_verdict: fromVerdict, snapshot } = row;
  return {
    id,
    surfaceId,
    at: at.toISOString(),
    cause: { ...cause },
    fromVerdict,
    verdict: snapshot.verdict,
    reasons: [...snapshot.reasons],
    changes: changesBetween(before, snapshot).map(differenceView),
  };
}

function differenceView({ path, from, to }: Difference): DifferenceView {
  return { path, from: from ?? null, to: to ?? null };
}
