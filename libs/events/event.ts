import { canonicalJson, type Json, sha256 } from '#kernel';
import { type EventType, publishedAs } from './event-types.ts';

/** An event to be published, by whoever changes what it speaks of. */
export interface NewEvent {
  readonly orgId: string;
  readonly type: EventType;
  /** What it is about: `<kind>/<id>`. */
  readonly subject: string;
  /** No personal data, no secrets. */
  readonly data: { readonly [name: string]: Json | undefined };
  /** The audit record of the change. */
  readonly auditId?: string | undefined;
}

/** The digits of Number.MAX_SAFE_INTEGER, so that sequences sort as text and still are numbers to `after`. */
const DIGITS = 16;

/**
 * The CloudEvent (1.0, JSON format) as it is stored: canonical JSON of all but `sequence`, which only the commit
 * gives. `source` and `id` together name the event for ever.
 */
export function eventBody(event: NewEvent, id: string, time: Date): string {
  const { orgId, type, subject, data, auditId } = event;
  return canonicalJson({
    specversion: '1.0',
    id,
    source: `/orgs/${orgId}`,
    type,
    subject,
    time: time.toISOString(),
    datacontenttype: 'application/json',
    partitionkey: orgId,
    auditid: auditId,
    data: data as Json,
  });
}

/**
 * The event as every destination gets it: always the same bytes. `sequence` (a CloudEvents extension) is its
 * position, contiguous from 1 per organization.
 */
export function eventText({ body, pos }: { body: string; pos: string | number }): string {
  return `${body.slice(0, -1)},"sequence":"${String(pos).padStart(DIGITS, '0')}"}`;
}

/** SHA-256 over those bytes. */
export function payloadDigest(text: string): Buffer {
  return sha256(text);
}

/** What of an audit record is published; undefined where nothing is. `changes` and the rest as in the leaf. */
interface Recorded {
  readonly org: string;
  readonly id: string;
  readonly action: string;
  readonly outcome: string;
  readonly reason?: string;
  readonly actor: { readonly type: string; readonly id: string };
  readonly target: { readonly type: string; readonly id: string };
  readonly changes?: { readonly [field: string]: { readonly to?: Json } };
}

/** The event that follows from an audit record, by its leaf, in which nothing personal stands. */
export function eventOfRecord(leaf: string): NewEvent | undefined {
  const record = JSON.parse(leaf) as Recorded;
  const published = publishedAs.get(record.action);
  if (!published || record.outcome !== 'success') return undefined;
  const changes = published.carries.flatMap((field) => {
    const to = record.changes?.[field]?.to;
    return to === undefined ? [] : [[field, to] as const];
  });
  return {
    orgId: record.org,
    type: published.type,
    subject: `${record.target.type}/${record.target.id}`,
    auditId: record.id,
    data: {
      action: record.action,
      actor: { type: record.actor.type, id: record.actor.id },
      target: { type: record.target.type, id: record.target.id },
      reason: record.reason !== undefined && CODE.test(record.reason) ? record.reason : undefined,
      changes: Object.fromEntries(changes),
    },
  };
}

/** Reasons that are codes go along; what a person has written does not. */
const CODE = /^[a-z0-9_.]{1,60}$/;
