import type { ActionEntry } from './action-entry.ts';
import { eventActions } from './event-actions.ts';
import { intakeActions } from './intake-actions.ts';
import { rolloutActions } from './rollout-actions.ts';
import { secretActions } from './secret-actions.ts';

/**
 * The catalogue of audit actions: everything the log can speak of. Append-only, held by a snapshot test; each
 * format's mapping (ocsf.ts) and action-data.ts must name every entry. `retention` is a class for whoever keeps exports:
 * an organization's own policy is one number, for only the beginning of a log can go.
 */
export const auditActions = {
  'system.set_up': {
    description: 'The deployment was set up and got its first organizations.',
    retention: 'administration',
  },
  'signing_key.created': { description: 'A key that signs access tokens was made.', retention: 'security' },
  'signing_key.rotated': {
    description: 'Another key signs access tokens from now on; the one before only verifies.',
    retention: 'security',
  },
  'signing_key.retired': {
    description:
      'A signing key whose last token has expired is accepted no more; its private half was erased.',
    retention: 'security',
  },
  'signing_key.withdrawn': {
    description: 'A signing key was withdrawn: every token it signed ended at once.',
    retention: 'security',
  },
  'key_pepper.created': {
    description: 'A pepper for the digests of API keys was made; new digests use it.',
    retention: 'security',
  },
  'key_pepper.retired': {
    description: 'A pepper that no live API key uses any more was erased.',
    retention: 'security',
  },
  'auth.signed_in': { description: 'A person signed in and got a session.', retention: 'security' },
  'auth.sign_in_refused': {
    description: 'A sign-in was refused; the reason says why.',
    retention: 'security',
  },
  'auth.locked': {
    description: 'Guesses of a password reached their limit; further ones are not verified for a while.',
    retention: 'security',
  },
  'auth.signed_out': { description: 'A person ended the session they were using.', retention: 'security' },
  'auth.switched': {
    description: 'A person got a session here on the proof of one they had in another organization.',
    retention: 'security',
  },
  'auth.switch_refused': {
    description: 'A person was refused a session on the proof of another; the reason says why.',
    retention: 'security',
  },
  'auth.refreshed': {
    description: 'A session got a new access token for its refresh token.',
    retention: 'access',
  },
  'auth.refresh_refused': {
    description: 'A refresh was refused; the reason says why.',
    retention: 'security',
  },
  'auth.refresh_reused': {
    description: 'A refresh token was presented again after use: a sign of theft. The session was ended.',
    retention: 'security',
  },
  'auth.password_changed': { description: 'A person set a new password.', retention: 'security' },
  'auth.password_reset_requested': {
    description: 'Somebody asked for a link to set a person’s password; it goes to the person alone.',
    retention: 'security',
  },
  'auth.password_reset': {
    description: 'A person set a new password by a link that works once.',
    retention: 'security',
  },
  'auth.password_upgraded': {
    description: 'A password hash was computed again with stronger parameters.',
    retention: 'security',
  },
  'auth.mfa_challenged': {
    description: 'A password was right, and more was asked for: the sign-in waits for a second factor.',
    retention: 'security',
  },
  'auth.factor_proven': {
    description: 'A person proved a second factor or a passkey.',
    retention: 'security',
  },
  'auth.factor_added': {
    description: 'A person got a new second factor or passkey.',
    retention: 'security',
  },
  'auth.factor_removed': {
    description: 'A second factor or a passkey of a person was removed.',
    retention: 'security',
  },
  'auth.recovery_codes_regenerated': {
    description: 'A person got new recovery codes; those before work no more.',
    retention: 'security',
  },
  'auth.recovery_code_used': {
    description: 'A recovery code stood in for a second factor; it works no more.',
    retention: 'security',
  },
  'auth.stepped_up': {
    description: 'A person proved themselves again in a session that goes on.',
    retention: 'security',
  },
  'auth.step_up_refused': {
    description: 'A fresh proof was refused; the reason says why.',
    retention: 'security',
  },
  'auth.device_forgotten': {
    description: 'A person made a device unknown; its next sign-in is one from a new device.',
    retention: 'security',
  },
  'session.revoked': { description: 'A session was ended; the reason says by what.', retention: 'security' },
  'session.revoked_in_bulk': {
    description:
      'Every session a filter found was ended, each with its own record; changes tells which and how many.',
    retention: 'security',
  },
  'session.revocation_tried': {
    description: 'Somebody looked which sessions a filter would end, and ended none.',
    retention: 'access',
  },
  'session.purged': {
    description: 'Records of sessions that ended long ago were removed, counted in changes.count.',
    retention: 'access',
  },
  'org.created': { description: 'An organization was created.', retention: 'administration' },
  'org.updated': { description: 'An organization was changed.', retention: 'administration' },
  'org.suspended': {
    description: 'An organization was suspended; nothing in it is accepted.',
    retention: 'security',
  },
  'org.resumed': { description: 'The suspension of an organization was lifted.', retention: 'security' },
  'org.deleted': {
    description: 'An organization and everything in it was deleted.',
    retention: 'administration',
  },
  'org.ownership_transferred': {
    description: 'An owner made a member owner in their place; changes.previousOwner names them.',
    retention: 'security',
  },
  'policy.changed': {
    description: 'What the organization decides of its security was changed.',
    retention: 'security',
  },
  'user.disabled': {
    description: 'A person’s account was disabled everywhere; their sessions and keys ended.',
    retention: 'security',
  },
  'user.enabled': {
    description: 'A person’s account was enabled again; they sign in anew.',
    retention: 'security',
  },
  'member.added': { description: 'A person became a member.', retention: 'administration' },
  'member.updated': { description: 'A membership was changed.', retention: 'administration' },
  'member.removed': { description: 'A person is no longer a member.', retention: 'administration' },
  'member.password_reset_started': {
    description: 'An admin had a link made by which a member sets a new password.',
    retention: 'security',
  },
  'role.created': { description: 'A custom role was created.', retention: 'administration' },
  'role.updated': { description: 'A custom role was changed.', retention: 'administration' },
  'role.deleted': { description: 'A custom role was deleted.', retention: 'administration' },
  'invitation.created': { description: 'A person was invited.', retention: 'administration' },
  'invitation.revoked': { description: 'An invitation was taken back.', retention: 'administration' },
  'service_account.created': { description: 'A service account was created.', retention: 'administration' },
  'service_account.updated': {
    description: 'A service account and its keys were handed to another person.',
    retention: 'administration',
  },
  'service_account.deleted': {
    description: 'A service account and its keys were deleted.',
    retention: 'administration',
  },
  'api_key.created': { description: 'An API key was created.', retention: 'security' },
  'api_key.rotated': { description: 'An API key got a new secret.', retention: 'security' },
  'api_key.revoked': { description: 'An API key was ended; the reason says by what.', retention: 'security' },
  'api_key.rehashed': {
    description: 'The digest of an API key was computed anew under the current pepper; the key is the same.',
    retention: 'security',
  },
  ...secretActions,
  ...intakeActions,
  'access.denied': {
    description: 'A request was refused; the reason is the fault code.',
    retention: 'security',
  },
  'access.denied_repeatedly': {
    description: 'More refusals of one kind from one source, counted in changes.count.',
    retention: 'security',
  },
  'audit.read': { description: 'Somebody searched the audit log.', retention: 'access' },
  'audit.exported': { description: 'Somebody exported from the audit log.', retention: 'access' },
  'audit.proved': {
    description: 'Somebody took a checkpoint or proofs of the audit log.',
    retention: 'access',
  },
  'audit.verified': {
    description: 'The server verified the audit log up to changes.upTo and found it as it was written.',
    retention: 'access',
  },
  'audit.alteration_found': {
    description: 'The audit log is not what was written; the reason says how, changes.pos where.',
    retention: 'security',
  },
  'audit.alteration_resolved': {
    description: 'All of the audit log was verified and changes.pos is as it was written again.',
    retention: 'security',
  },
  'audit.fork_detected': {
    description: 'The audit log does not continue what was signed of it before, as after a restore.',
    retention: 'security',
  },
  'audit.sink_created': {
    description: 'The log is pushed to another place from now on.',
    retention: 'administration',
  },
  'audit.sink_updated': {
    description: 'A place that the log is pushed to was changed, stopped or started.',
    retention: 'administration',
  },
  'audit.sink_deleted': {
    description: 'The log is no longer pushed to a place.',
    retention: 'administration',
  },
  'audit.sink_tested': {
    description: 'Somebody had this very record sent to a sink at once, to see what happens.',
    retention: 'administration',
  },
  'audit.sink_replayed': {
    description: 'Somebody had a range of the log delivered to a sink again.',
    retention: 'administration',
  },
  'audit.erasure_requested': {
    description: 'Somebody asked that what is personal of one person be erased from this log.',
    retention: 'administration',
  },
  'audit.erased': {
    description: 'Personal values of one person were erased from a part of this log; their commitments stay.',
    retention: 'administration',
  },
  'audit.erasure_ended': {
    description: 'An erasure is complete; or it was stopped, the reason says by what.',
    retention: 'administration',
  },
  'audit.retention_changed': {
    description: 'How long events of this log are kept was changed; null is for ever.',
    retention: 'security',
  },
  'audit.pruned': {
    description: 'The events up to a position were dropped by the policy; their hashes stay.',
    retention: 'administration',
  },
  'audit.hold_placed': {
    description:
      'A legal hold was placed on this log, or its reason was changed: nothing is erased or pruned.',
    retention: 'security',
  },
  'audit.hold_lifted': { description: 'The legal hold on this log was lifted.', retention: 'security' },
  'audit.fork_marked': {
    description: 'A fork of this log was put on record: what was published of it, and what it is now.',
    retention: 'security',
  },
  'audit.fork_acknowledged': {
    description: 'An operator of the platform acknowledged a fork; the log goes on from here.',
    retention: 'security',
  },
  ...eventActions,
  'audit_key.created': { description: 'The key that signs checkpoints was made.', retention: 'security' },
  'audit_key.rotated': {
    description: 'The key that signs checkpoints got a successor.',
    retention: 'security',
  },
  'system.made_read_only': {
    description: 'An operator made the deployment read-only, or changed the reason for it.',
    retention: 'security',
  },
  'system.made_operational': {
    description: 'An operator ended that the deployment is read-only.',
    retention: 'security',
  },
  'surface.created': { description: 'A surface was created.', retention: 'administration' },
  'surface.updated': {
    description: 'What is desired of a surface, or what is told of it, was changed.',
    retention: 'administration',
  },
  'surface.deleted': {
    description: 'A surface was deleted, with its facts and its history.',
    retention: 'administration',
  },
  'authority.named': {
    description: 'A service account became the owner of a kind of truth about surfaces.',
    retention: 'security',
  },
  'authority.ended': {
    description: 'An authority ended: what it told counts for nothing.',
    retention: 'security',
  },
  'fact.told': {
    description: 'The owner of a kind of truth told a fact of a surface; changes.digest tells which.',
    retention: 'access',
  },
  'fact.conflicted': {
    description: 'The owner told another content under a revision that had one: the surface is blocked.',
    retention: 'security',
  },
  'fact.refused': {
    description: 'Somebody who does not own the kind of truth tried to tell a fact of it.',
    retention: 'security',
  },
  'projection.changed': {
    description: 'The posture of a surface changed; the reason says by what.',
    retention: 'security',
  },
  ...rolloutActions,
} as const satisfies Record<string, ActionEntry>;

export type AuditAction = keyof typeof auditActions;
