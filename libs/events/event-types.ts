import type { AuditAction } from '#audit';

/**
 * Everything that is published to other systems: a closed, append-only map, held by a snapshot test. Every type
 * follows from audit actions, so that nothing that succeeds and is recorded can forget its event. `carries` names
 * the fields of the record's `changes` whose new value goes along: ids, versions and states, never personal data
 * and never a secret.
 */
interface Entry {
  readonly description: string;
  readonly of: readonly AuditAction[];
  readonly carries?: readonly string[];
}

export const eventTypes = {
  'portcullis.organization.created': {
    description: 'An organization was created.',
    of: ['org.created'],
    carries: ['slug'],
  },
  'portcullis.organization.updated': { description: 'An organization was changed.', of: ['org.updated'] },
  'portcullis.organization.suspended': {
    description: 'An organization was suspended; nothing in it is accepted.',
    of: ['org.suspended'],
  },
  'portcullis.organization.resumed': {
    description: 'The suspension of an organization was lifted.',
    of: ['org.resumed'],
  },
  'portcullis.organization.deleted': {
    description: 'An organization and everything in it was deleted.',
    of: ['org.deleted'],
  },
  'portcullis.organization.ownership-transferred': {
    description: 'An owner made a member owner in their place.',
    of: ['org.ownership_transferred'],
    carries: ['previousOwner'],
  },
  'portcullis.policy.changed': {
    description: 'What the organization decides of its security was changed.',
    of: ['policy.changed'],
  },
  'portcullis.user.disabled': {
    description: 'A person’s account was disabled everywhere; their sessions and keys ended.',
    of: ['user.disabled'],
  },
  'portcullis.user.enabled': {
    description: 'A person’s account was enabled again.',
    of: ['user.enabled'],
  },
  'portcullis.member.added': {
    description: 'A person became a member.',
    of: ['member.added'],
    carries: ['role'],
  },
  'portcullis.member.updated': {
    description: 'A membership was changed.',
    of: ['member.updated'],
    carries: ['role', 'status'],
  },
  'portcullis.member.removed': { description: 'A person is no longer a member.', of: ['member.removed'] },
  'portcullis.role.created': { description: 'A custom role was created.', of: ['role.created'] },
  'portcullis.role.updated': {
    description: 'A custom role was changed.',
    of: ['role.updated'],
    carries: ['permissions'],
  },
  'portcullis.role.deleted': { description: 'A custom role was deleted.', of: ['role.deleted'] },
  'portcullis.session.revoked': {
    description:
      'A session ended before its time: it was revoked, signed out of, or ended by a sign of theft.',
    of: ['session.revoked', 'auth.signed_out', 'auth.refresh_reused'],
    carries: ['user'],
  },
  'portcullis.credential.changed': {
    description: 'A person got, changed or lost a password, a second factor, a passkey or recovery codes.',
    of: [
      'auth.password_changed',
      'auth.password_reset',
      'auth.factor_added',
      'auth.factor_removed',
      'auth.recovery_codes_regenerated',
    ],
    carries: ['factor', 'kind'],
  },
  'portcullis.service-account.created': {
    description: 'A service account was created.',
    of: ['service_account.created'],
  },
  'portcullis.service-account.updated': {
    description: 'A service account and its keys were handed to another person.',
    of: ['service_account.updated'],
    carries: ['ownerId'],
  },
  'portcullis.service-account.deleted': {
    description: 'A service account and its keys were deleted.',
    of: ['service_account.deleted'],
  },
  'portcullis.api-key.created': {
    description: 'An API key was created.',
    of: ['api_key.created'],
    carries: ['permissions', 'expiresAt'],
  },
  'portcullis.api-key.rotated': {
    description: 'An API key got a new secret.',
    of: ['api_key.rotated'],
    carries: ['overlapSeconds'],
  },
  'portcullis.api-key.revoked': { description: 'An API key was ended.', of: ['api_key.revoked'] },
  'portcullis.secret.created': {
    description: 'A secret was created, with its first version.',
    of: ['secret.created'],
    carries: ['version'],
  },
  'portcullis.secret.rotated': {
    description: 'A new version of a secret was written.',
    of: ['secret.written'],
    carries: ['version'],
  },
  'portcullis.secret.deleted': {
    description: 'A secret, or versions of it, was hidden until it is undeleted.',
    of: ['secret.deleted'],
    carries: ['versions'],
  },
  'portcullis.secret.undeleted': {
    description: 'A secret, or versions of it, was brought back.',
    of: ['secret.undeleted'],
    carries: ['versions'],
  },
  'portcullis.secret.destroyed': {
    description: 'A secret, or versions of it, was erased for ever.',
    of: ['secret.destroyed'],
    carries: ['versions'],
  },
  'portcullis.signing-key.rotated': {
    description: 'Another key signs access tokens from now on.',
    of: ['signing_key.rotated'],
  },
  'portcullis.signing-key.withdrawn': {
    description: 'A signing key was withdrawn: every token it signed ended at once.',
    of: ['signing_key.withdrawn'],
  },
  'portcullis.surface.created': { description: 'A surface was created.', of: ['surface.created'] },
  'portcullis.surface.updated': { description: 'A surface was changed.', of: ['surface.updated'] },
  'portcullis.surface.deleted': { description: 'A surface was deleted.', of: ['surface.deleted'] },
  'portcullis.authority.named': {
    description: 'Somebody was named the owner of a kind of truth.',
    of: ['authority.named'],
    carries: ['kind', 'surfaceId'],
  },
  'portcullis.authority.ended': {
    description: 'Somebody is no longer the owner of a kind of truth.',
    of: ['authority.ended'],
    carries: ['kind'],
  },
  'portcullis.projection.changed': {
    description:
      'The verdict of a surface changed. It also ends by itself: read `validUntil` where it counts.',
    of: ['projection.changed'],
    carries: ['verdict', 'reasons'],
  },
  'portcullis.system.made-read-only': {
    description: 'The deployment takes no changes for now.',
    of: ['system.made_read_only'],
  },
  'portcullis.system.made-operational': {
    description: 'The deployment takes changes again.',
    of: ['system.made_operational'],
  },
  'portcullis.capability.proposed': {
    description: 'A version of a capability was proposed by its manifest.',
    of: ['capability.proposed'],
    carries: ['name', 'version', 'digest'],
  },
  'portcullis.capability.admitted': {
    description: 'A version of a capability was admitted: it may be activated.',
    of: ['capability.admitted'],
    carries: ['name', 'version', 'digest'],
  },
  'portcullis.capability.activated': {
    description: 'A version of a capability became the active one.',
    of: ['capability.activated'],
    carries: ['name', 'version', 'digest'],
  },
  'portcullis.capability.deactivated': {
    description: 'A version of a capability is no longer active, for another one is.',
    of: ['capability.deactivated'],
    carries: ['name', 'version', 'digest'],
  },
  'portcullis.capability.quarantined': {
    description: 'A version of a capability was quarantined: what is bound to it stopped at once.',
    of: ['capability.quarantined'],
    carries: ['name', 'version', 'digest'],
  },
  'portcullis.capability.revoked': {
    description: 'A version of a capability was revoked for ever.',
    of: ['capability.revoked'],
    carries: ['name', 'version', 'digest'],
  },
  'portcullis.rollout.moved': {
    description: 'A rollout came into another state.',
    of: ['rollout.moved'],
    carries: ['state', 'move', 'digest'],
  },
  'portcullis.rollout.break-glass-opened': {
    description: 'A rollout was executed before it was signed off.',
    of: ['rollout_break_glass.opened'],
    carries: ['breakGlass', 'digest', 'needed', 'endsAt'],
  },
} as const satisfies Record<`portcullis.${string}`, Entry>;

export type EventType = keyof typeof eventTypes;

export const eventTypeNames = Object.keys(eventTypes) as EventType[];

/** What an audit action is published as, and which of its changes go along. */
export const publishedAs: ReadonlyMap<string, { type: EventType; carries: readonly string[] }> = new Map(
  eventTypeNames.flatMap((type) => {
    const { of, carries = [] }: Entry = eventTypes[type];
    return of.map((action) => [action, { type, carries }] as const);
  }),
);
