import { Anything, Choice, Id, ListOf, Text, Time, Whole } from '#http';
import { auditActions } from './catalogue/actions.ts';
import { exportFormats, type ExportFormat } from './formats/format.ts';

export class AuditQuery {
  @Choice(Object.keys(auditActions), { optional: true, description: 'Only this action.' })
  action?: string;

  @Text({ max: 200, optional: true, description: 'Only what this user, key or component did.' })
  actorId?: string;

  @Text({ max: 200, optional: true, description: 'Only what was done to this.' })
  targetId?: string;

  @Text({ max: 200, optional: true, description: 'Only what this request did: its `x-request-id`.' })
  requestId?: string;

  @Choice(['success', 'denied', 'failure'], { optional: true })
  outcome?: string;

  @Time({ optional: true, description: 'From this moment on.' })
  from?: string;

  @Time({ optional: true, description: 'Before this moment.' })
  to?: string;

  @Whole({ min: 1, max: 100, optional: true, description: 'How many at most; 50 where unsaid.' })
  limit?: number;

  @Whole({ min: 1, max: Number.MAX_SAFE_INTEGER, optional: true, description: '`next` of the page before.' })
  cursor?: number;

  @Choice(['json', 'csv'], {
    optional: true,
    description:
      'csv (or `Accept: text/csv`): all that is found, or `limit` of it, as CSV. A field that a spreadsheet would ' +
      'take for a formula begins with an apostrophe.',
  })
  format?: 'json' | 'csv';
}

export class ExportQuery {
  @Whole({ optional: true, description: 'Continue after this position; 0 (the beginning) where unsaid.' })
  after?: number;

  @Whole({ min: 1, max: 10_000, optional: true, description: 'How many events at most; 1000 where unsaid.' })
  limit?: number;

  @Choice(exportFormats, { optional: true, description: 'native where unsaid.' })
  format?: ExportFormat;

  @Whole({ max: 30, optional: true, description: 'Seconds to wait for the first event; 0 where unsaid.' })
  wait?: number;
}

/** A native event: see the contract, "Audit". */
export class AuditEventView {
  @Whole({ min: 1 })
  v: number;

  @Id()
  id: string;

  @Id()
  org: string;

  @Whole({ min: 1, description: 'Contiguous from 1 per organization, in the order of commits.' })
  pos: number;

  @Time()
  time: string;

  @Anything({ description: '{ type, id, sessionId?, apiKeyId?, onBehalfOf? }' })
  actor: object;

  @Text()
  action: string;

  @Anything({ description: '{ type, id }' })
  target: object;

  @Choice(['success', 'denied', 'failure'])
  outcome: string;

  @Text({ optional: true })
  reason?: string;

  @Anything({ description: '{ id, method, route }' })
  request: object;

  @Anything({ optional: true, description: 'By field: { from?, to? }; personal values stand in `personal`.' })
  changes?: object;

  @Anything({ description: 'By path: hex SHA-256(salt || value) of each personal value.' })
  commitments: object;

  @Anything({ description: 'By path: { salt, value }, or "erased".' })
  personal: object;

  @Text({ description: 'Hex; the RFC 6962 leaf hash.' })
  leafHash: string;

  @Text({ description: 'Hex; the leaf hash of the position before.' })
  prevHash: string;
}

export class AuditPage {
  @ListOf(() => AuditEventView)
  items: AuditEventView[];

  @Whole({ optional: true, description: 'Give as `cursor` for older events.' })
  next?: number;

  @Whole({ optional: true, description: 'The events up to here are gone by the retention policy.' })
  prunedUpTo?: number;
}

export class AuditActionView {
  @Text()
  action: string;

  @Text()
  description: string;

  @Choice(['security', 'administration', 'access'])
  retention: string;

  @Text({ description: '`target.type`; in words where there are several.' })
  target: string;

  @ListOf('text', { description: 'The fields that `changes` may have; `*`: those of the document changed.' })
  data: string[];
}

export class AuditCatalogueView {
  @ListOf(() => AuditActionView, { max: 1_000 })
  items: AuditActionView[];
}
