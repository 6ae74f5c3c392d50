import { Fault, type InputError } from '#kernel';
import { IntakeFault } from '../intake.faults.ts';
import { isCommit, isRefName, isRepository } from './names.ts';

/** What is to be read from Gitea again. Names and numbers only: nothing else of a payload is believed. */
export type Subject =
  | { readonly kind: 'branch' | 'tag' | 'release'; readonly name: string }
  | { readonly kind: 'pull'; readonly number: number }
  | { readonly kind: 'commit'; readonly sha: string }
  | { readonly kind: 'run'; readonly id: number }
  | { readonly kind: 'job'; readonly id: number };

/**
 * The events Gitea sends (its modules/webhook/type.go): X-Gitea-Event-Type to what X-Gitea-Event says of it, and how
 * the subject is read from the body; `undefined` where the event tells of nothing that rollouts depend on.
 */
const events: Readonly<
  Record<string, readonly [event: string, read: ((body: Reading) => Subject) | undefined]>
> = {
  push: ['push', pushed],
  create: ['create', named],
  delete: ['delete', named],
  release: ['release', (body) => ({ kind: 'release', name: body.refName('release.tag_name') })],
  status: ['status', (body) => ({ kind: 'commit', sha: body.commit('sha') })],
  workflow_run: ['workflow_run', (body) => ({ kind: 'run', id: body.number('workflow_run.id') })],
  workflow_job: ['workflow_job', (body) => ({ kind: 'job', id: body.number('workflow_job.id') })],
  pull_request: ['pull_request', pulled],
  pull_request_sync: ['pull_request', pulled],
  pull_request_assign: ['pull_request', undefined],
  pull_request_label: ['pull_request', undefined],
  pull_request_milestone: ['pull_request', undefined],
  pull_request_review_request: ['pull_request', pulled],
  pull_request_review_approved: ['pull_request_approved', pulled],
  pull_request_review_rejected: ['pull_request_rejected', pulled],
  pull_request_review_comment: ['pull_request_comment', pulled],
  pull_request_comment: ['issue_comment', undefined],
  issue_comment: ['issue_comment', undefined],
  issues: ['issues', undefined],
  issue_assign: ['issues', undefined],
  issue_label: ['issues', undefined],
  issue_milestone: ['issues', undefined],
  fork: ['fork', undefined],
  wiki: ['wiki', undefined],
  repository: ['repository', undefined],
  package: ['package', undefined],
};

/** What a signed body says: whose it is, and what to read again (nothing where the event is not one of ours). */
export interface Told {
  readonly event: string;
  readonly repository: string;
  readonly subjects: readonly Subject[];
}

/**
 * Reads a body as the event its headers name. The headers are not signed, so a body of another shape is refused.
 * Faults: `intake.unknown_event`, `intake.bad_payload`.
 */
export function readEvent(event: string, type: string, body: unknown): Told {
  const known = Object.hasOwn(events, type) ? events[type] : undefined;
  if (!known || known[0] !== event) throw IntakeFault.unknown_event();
  const reading = new Reading(body);
  const repository = reading.repository('repository.full_name');
  const subject = known[1]?.(reading);
  return { event: type, repository, subjects: subject ? [subject] : [] };
}

function pushed(body: Reading): Subject {
  const [, kind, name = ''] = /^refs\/(heads|tags)\/(.+)$/s.exec(body.text('ref')) ?? [];
  if (!isRefName(name)) throw body.wrong('ref', 'must be a branch or a tag');
  body.commit('before');
  body.commit('after');
  return { kind: kind === 'heads' ? 'branch' : 'tag', name };
}

/** Short names, unlike those of a push. */
function named(body: Reading): Subject {
  const kind = body.text('ref_type');
  if (kind !== 'branch' && kind !== 'tag') throw body.wrong('ref_type', 'must be branch or tag');
  return { kind, name: body.refName('ref') };
}

function pulled(body: Reading): Subject {
  const number = body.number('number');
  if (body.number('pull_request.number') !== number) {
    throw body.wrong('pull_request.number', 'must be the number of the event');
  }
  return { kind: 'pull', number };
}

/** Reads fields of a body by path; what is not as Gitea sends it is a fault that names the path. */
class Reading {
  constructor(private readonly body: unknown) {}

  text(path: string): string {
    const value = this.#at(path);
    if (typeof value !== 'string') throw this.wrong(path, 'must be text');
    return value;
  }

  number(path: string): number {
    const value = this.#at(path);
    if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
    throw this.wrong(path, 'must be a whole number above 0');
  }

  commit(path: string): string {
    const value = this.text(path);
    if (!isCommit(value)) throw this.wrong(path, 'must be the hash of a commit');
    return value;
  }

  refName(path: string): string {
    const value = this.text(path);
    if (!isRefName(value)) throw this.wrong(path, 'must be the name of a ref');
    return value;
  }

  repository(path: string): string {
    const value = this.text(path).toLowerCase();
    if (!isRepository(value)) throw this.wrong(path, 'must be owner/name');
    return value;
  }

  wrong(path: string, message: string): Fault {
    return IntakeFault.bad_payload({ errors: [{ path, message }] satisfies InputError[] });
  }

  #at(path: string): unknown {
    let value = this.body;
    for (const key of path.split('.')) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
      value = (value as Record<string, unknown>)[key];
    }
    return value;
  }
}
