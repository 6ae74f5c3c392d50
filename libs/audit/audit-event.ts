import { randomBytes } from 'node:crypto';
import { type Caller, canonicalJson, type Json, newId, sha256 } from '#kernel';
import type { AuditAction } from './catalogue/actions.ts';

/**
 * The audit event as it is stored, hashed and exported (contract, "Audit", native event). Personal data never
 * stands in the leaf: only a salted commitment does, so that erasing a value leaves every hash as it was.
 */

/** Marks a value of `changes` as personal data. */
export class Personal {
  constructor(readonly value: string) {}
}

export function personal(value: string): Personal {
  return new Personal(value);
}

type Change = Json | Personal;
/** What changed: a field's new value, or `{ from, to }`. */
export type Changes = Record<string, Change | { from?: Change; to?: Change }>;

export interface AuditActor {
  readonly type: 'user' | 'api_key' | 'system' | 'anonymous';
  readonly id: string;
  readonly sessionId?: string | undefined;
  readonly apiKeyId?: string | undefined;
  /** Who stands behind an agent or a key. */
  readonly onBehalfOf?: string | undefined;
  /** Personal. */
  readonly display?: string | undefined;
}

export interface AuditRequest {
  readonly id: string;
  readonly method: string;
  readonly route: string;
  /** Personal. */
  readonly ip?: string | undefined;
  /** Personal. */
  readonly userAgent?: string | undefined;
}

export interface AuditEntry {
  readonly orgId: string;
  readonly actor: AuditActor;
  readonly action: AuditAction;
  /** `display` is personal. */
  readonly target: { type: string; id: string; display?: string | undefined };
  readonly outcome: 'success' | 'denied' | 'failure';
  readonly reason?: string | undefined;
  readonly request: AuditRequest;
  readonly changes?: Changes | undefined;
}

/** An event ready to be stored: the canonical leaf and the personal values beside it, both JSON text. */
export interface SealedEvent {
  readonly orgId: string;
  readonly id: string;
  readonly leaf: string;
  readonly personal: string;
}

/** The actor an audit record names for a caller. */
export function actorOf(caller: Caller): AuditActor {
  return {
    type: caller.kind,
    id: caller.id,
    sessionId: caller.sessionId,
    apiKeyId: caller.apiKeyId,
    onBehalfOf: caller.kind === 'api_key' ? caller.userId : undefined,
    display: caller.display,
  };
}

/** Who and whence of a record that no request led to: a component of the system, and its job where that has a name. */
export function bySystem(component: string, job = component): Pick<AuditEntry, 'actor' | 'request'> {
  return {
    actor: { type: 'system', id: component },
    request: { id: newId(), method: 'JOB', route: job },
  };
}

/** Builds the leaf (RFC 8785) and takes the personal values out of it. `time` is RFC 3339 in UTC. */
export function sealEvent(entry: AuditEntry, time: Date): SealedEvent {
  const id = newId();
  const commitments: Record<string, string> = {};
  const values: Record<string, { salt: string; value: string }> = {};
  const hide = (path: string, value: string | undefined): void => {
    if (value === undefined) return;
    const salt = randomBytes(16);
    commitments[path] = sha256(Buffer.concat([salt, Buffer.from(value, 'utf8')])).toString('hex');
    values[path] = { salt: salt.toString('base64url'), value };
  };
  hide('actor.display', entry.actor.display);
  hide('target.display', entry.target.display);
  hide('request.ip', entry.request.ip);
  hide('request.userAgent', entry.request.userAgent);
  const leaf: Json = {
    v: 1,
    id,
    org: entry.orgId,
    time: time.toISOString(),
    actor: {
      type: entry.actor.type,
      id: entry.actor.id,
      sessionId: entry.actor.sessionId,
      apiKeyId: entry.actor.apiKeyId,
      onBehalfOf: entry.actor.onBehalfOf,
    },
    action: entry.action,
    target: { type: entry.target.type, id: entry.target.id },
    outcome: entry.outcome,
    reason: entry.reason,
    request: { id: entry.request.id, method: entry.request.method, route: entry.request.route },
    changes: entry.changes && publicChanges(entry.changes, hide),
    commitments,
  };
  return { orgId: entry.orgId, id, leaf: canonicalJson(leaf), personal: JSON.stringify(values) };
}

/** `changes` without its personal values, which `hide` has taken. */
function publicChanges(changes: Changes, hide: (path: string, value: string) => void): Json {
  const kept: Record<string, Json> = {};
  for (const [field, change] of Object.entries(changes)) {
    const parts = isFromTo(change) ? change : { to: change };
    const shown: Record<string, Json> = {};
    for (const side of ['from', 'to'] as const) {
      const value = parts[side];
      if (value instanceof Personal) hide(`changes.${field}.${side}`, value.value);
      else if (value !== undefined) shown[side] = value;
    }
    kept[field] = shown;
  }
  return kept;
}

function isFromTo(change: Changes[string]): change is { from?: Change; to?: Change } {
  if (typeof change !== 'object' || change === null || Array.isArray(change) || change instanceof Personal)
    return false;
  const keys = Object.keys(change);
  return keys.length > 0 && keys.every((key) => key === 'from' || key === 'to');
}
