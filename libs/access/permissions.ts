/**
 * The permission catalogue: every power the product knows, in one map. Names are `resource:verb`, append-only.
 * `roles` lists the built-in roles that hold it; `owner` holds every permission of its kind of organization.
 * `platform` permissions can be held only in the platform organization. A snapshot test holds the map, and the
 * process refuses to start when an entry is used by no route, tool or job.
 */
interface Entry {
  readonly description: string;
  readonly roles: readonly BuiltInRole[];
  readonly platform?: true;
}

/** The roles every organization has; custom roles are made from the same catalogue. */
export const builtInRoles = ['owner', 'admin', 'auditor', 'operator', 'viewer'] as const;
export type BuiltInRole = (typeof builtInRoles)[number];

export const permissions = {
  'org:create': {
    description: 'Create tenant organizations.',
    roles: ['admin'],
    platform: true,
  },
  'org:suspend': {
    description: 'Suspend a tenant organization, and lift the suspension.',
    roles: ['admin'],
    platform: true,
  },
  'user:read': {
    description: 'Find the accounts of people by e-mail address, whatever organization they belong to.',
    roles: ['admin', 'auditor'],
    platform: true,
  },
  'user:update': {
    description: 'Disable a person’s account everywhere, and enable it again.',
    roles: ['admin'],
    platform: true,
  },
  'org:read': {
    description: 'See the organization itself.',
    roles: ['admin', 'auditor', 'operator', 'viewer'],
  },
  'org:update': {
    description: 'Change the name of the organization.',
    roles: ['admin'],
  },
  'org:delete': {
    description: 'Delete the organization and end everything in it.',
    roles: [],
  },
  'org:transfer': {
    description: 'Hand the ownership of the organization to another member.',
    roles: [],
  },
  'policy:read': {
    description: 'See what the organization decides of its security.',
    roles: ['admin', 'auditor'],
  },
  'policy:write': {
    description: 'Change passwords, factors, sessions, limits and addresses the organization accepts.',
    roles: ['admin'],
  },
  'member:read': {
    description: 'List the members of the organization.',
    roles: ['admin', 'auditor'],
  },
  'member:create': {
    description: 'Add members and invite them.',
    roles: ['admin'],
  },
  'member:update': {
    description: 'Change a member’s role, and disable or enable the membership.',
    roles: ['admin'],
  },
  'member:reset-factors': {
    description: 'Remove a second factor that a member has lost.',
    roles: ['admin'],
  },
  'member:remove': {
    description: 'Remove members; their sessions and keys in the organization end at once.',
    roles: ['admin'],
  },
  'member:reset-password': {
    description: 'Have a link made by which a member sets a new password.',
    roles: ['admin'],
  },
  'role:read': {
    description: 'List the roles of the organization.',
    roles: ['admin', 'auditor'],
  },
  'role:write': {
    description: 'Create, change and delete custom roles.',
    roles: ['admin'],
  },
  'session:read': {
    description: 'See the sessions of the organization’s members.',
    roles: ['admin', 'auditor'],
  },
  'session:revoke': {
    description: 'End sessions of the organization’s members.',
    roles: ['admin'],
  },
  'key:read': {
    description: 'List service accounts and API keys (never their secrets).',
    roles: ['admin', 'auditor'],
  },
  'key:write': {
    description: 'Create, rotate and revoke service accounts and API keys.',
    roles: ['admin'],
  },
  'crypto:read': {
    description: 'See the signing keys and key peppers of the deployment (never their secrets).',
    roles: ['admin', 'auditor'],
    platform: true,
  },
  'crypto:rotate': {
    description: 'Rotate the signing keys and key peppers of the deployment, and withdraw a signing key.',
    roles: ['admin'],
    platform: true,
  },
  'secret:list': {
    description: 'List the secrets of the organization by path (never their values).',
    roles: ['admin', 'auditor', 'operator'],
  },
  'secret:read-metadata': {
    description: 'See what is told of a secret and its versions (never their values).',
    roles: ['admin', 'auditor', 'operator'],
  },
  'secret:write': {
    description: 'Create secrets, write versions of them, and delete and undelete them.',
    roles: ['admin', 'operator'],
  },
  'secret:reveal': {
    description: 'Get the values of secrets, and search for a value.',
    roles: ['admin'],
  },
  'secret:destroy': {
    description: 'Erase secrets and versions of them for ever.',
    roles: ['admin'],
  },
  'intake:read': {
    description: 'See by which hooks Gitea tells of events, and what came in by them.',
    roles: ['admin', 'auditor', 'operator'],
  },
  'intake:write': {
    description: 'Create, change and delete hooks, and have Gitea read again.',
    roles: ['admin'],
  },
  'audit:read': {
    description: 'Search the audit log of the organization.',
    roles: ['admin', 'auditor'],
  },
  'audit:export': {
    description: 'Export the audit log with its proofs, as a SIEM does.',
    roles: ['admin', 'auditor'],
  },
  'sink:read': {
    description: 'See where the audit log is pushed to, and how far it has got there.',
    roles: ['admin', 'auditor'],
  },
  'sink:write': {
    description: 'Say where the audit log is pushed to; test a sink, and deliver a range again.',
    roles: ['admin'],
  },
  'event:read': {
    description: 'Read the events of the organization, and what was published of them where.',
    roles: ['admin', 'auditor', 'operator'],
  },
  'event:retry': {
    description: 'Have events published once more that a destination refused.',
    roles: ['admin', 'operator'],
  },
  'capability:read': {
    description: 'See the capabilities of the organization, their manifests and their history.',
    roles: ['admin', 'auditor', 'operator', 'viewer'],
  },
  'capability:propose': {
    description: 'Propose capabilities by their manifests.',
    roles: ['admin', 'operator'],
  },
  'capability:admit': {
    description: 'Admit and activate capabilities.',
    roles: ['admin'],
  },
  'capability:quarantine': {
    description: 'Quarantine capabilities: what is bound to them stops at once.',
    roles: ['admin', 'operator'],
  },
  'capability:revoke': {
    description: 'Revoke capabilities for ever.',
    roles: ['admin'],
  },
  'audit:erase': {
    description: 'Erase what is personal of one person from the audit log; the proofs of it still hold.',
    roles: [],
  },
  'audit:retain': {
    description: 'Change how long the events of the audit log are kept.',
    roles: [],
  },
  'audit:hold': {
    description:
      'Place a legal hold on the audit log, and lift it: while it stands nothing is erased or pruned.',
    roles: [],
  },
  'audit:erase-everywhere': {
    description: 'Erase what is personal of one person from the audit logs of all organizations.',
    roles: [],
    platform: true,
  },
  'audit:acknowledge': {
    description:
      'Acknowledge that an audit log does not continue what was published of it, as after a restore.',
    roles: ['admin'],
    platform: true,
  },
  'audit:rotate': {
    description: 'Rotate the key that signs checkpoints of audit logs.',
    roles: ['admin'],
    platform: true,
  },
  'platform:read': {
    description: 'See the posture and the state of the deployment itself.',
    roles: ['admin', 'auditor', 'operator', 'viewer'],
    platform: true,
  },
  'metrics:read': {
    description: 'Read the metrics of the deployment (`/metrics`): numbers by route, code and id.',
    roles: ['admin', 'auditor', 'operator'],
    platform: true,
  },
  'system:control': {
    description: 'Make the whole deployment read-only, and end that.',
    roles: ['admin'],
    platform: true,
  },
  'surface:read': {
    description: 'See surfaces, what is desired of them, who owns the truth about them, and what was told.',
    roles: ['admin', 'auditor', 'operator', 'viewer'],
  },
  'surface:write': {
    description: 'Create, change and delete surfaces.',
    roles: ['admin'],
  },
  'authority:write': {
    description: 'Say which service account owns which kind of truth about surfaces, and end that.',
    roles: ['admin'],
  },
  'fact:write': {
    description: 'Tell facts of the kinds of truth that the key’s service account owns.',
    roles: ['admin'],
  },
  'projection:read': {
    description: 'Read the posture of surfaces, its history, and the signed documents of it.',
    roles: ['admin', 'auditor', 'operator', 'viewer'],
  },
  'rollout:read': {
    description: 'See rollouts, their plans, gates, sign-offs, steps and reports.',
    roles: ['admin', 'auditor', 'operator', 'viewer'],
  },
  'rollout:plan': {
    description: 'Write rollouts, plan them, ask for their review, and withdraw them.',
    roles: ['admin', 'operator'],
  },
  'rollout:sign-off': {
    description: 'Sign off, or deny, the rollouts of others.',
    roles: ['admin'],
  },
  'rollout:apply': {
    description: 'Arm, execute, pause, resume and stop rollouts that were signed off.',
    roles: ['admin', 'operator'],
  },
  'rollout:verify': {
    description: 'Say whether a rollout that was carried out does what it should.',
    roles: ['admin', 'auditor'],
  },
  'rollout:recover': {
    description: 'Roll back, and decide how a rollout goes on that needs an operator.',
    roles: ['admin', 'operator'],
  },
  'rollout:break-glass': {
    description: 'Execute a rollout before it is signed off; on record, and reviewed by somebody else.',
    roles: [],
  },
  'rollout:policy': {
    description:
      'Say what is asked of rollouts: quorums, duties, gates, hooks, and which accounts are one person.',
    roles: ['admin'],
  },
  'target:read': {
    description: 'See the targets of rollouts.',
    roles: ['admin', 'auditor', 'operator', 'viewer'],
  },
  'target:write': {
    description: 'Name the targets of rollouts.',
    roles: ['admin', 'operator'],
  },
  'target:report': {
    description: 'Report what state a target is in, as its inventory does.',
    roles: ['admin'],
  },
  'evidence:read': {
    description: 'See evidence, attachments, and the keys that sign evidence.',
    roles: ['admin', 'auditor', 'operator'],
  },
  'evidence:write': {
    description: 'Record evidence and attachments.',
    roles: ['admin', 'operator'],
  },
  'evidence:trust': {
    description: 'Say whose keys may sign evidence.',
    roles: ['admin'],
  },
  'risk:read': {
    description: 'See the register of residual risks.',
    roles: ['admin', 'auditor', 'operator'],
  },
  'risk:write': {
    description: 'Raise, rate and close residual risks.',
    roles: ['admin', 'operator'],
  },
  'risk:accept': {
    description: 'Accept residual risks that one’s own authority outranks.',
    roles: ['admin', 'operator'],
  },
  'freeze:read': {
    description: 'See when nothing may be rolled out.',
    roles: ['admin', 'auditor', 'operator', 'viewer'],
  },
  'freeze:write': {
    description: 'Say when nothing may be rolled out.',
    roles: ['admin'],
  },
} as const satisfies Record<string, Entry>;

export type Permission = keyof typeof permissions;

export const permissionNames = Object.keys(permissions) as Permission[];

export function isPermission(name: string): name is Permission {
  return Object.hasOwn(permissions, name);
}

/** May this permission be held in an organization of this kind? */
export function fitsKind(name: Permission, kind: 'tenant' | 'platform'): boolean {
  const entry: Entry = permissions[name];
  return entry.platform !== true || kind === 'platform';
}

/** What a built-in role may do in an organization of this kind. */
export function builtInPermissions(role: BuiltInRole, kind: 'tenant' | 'platform'): Permission[] {
  return permissionNames.filter((name) => {
    const entry: Entry = permissions[name];
    return fitsKind(name, kind) && (role === 'owner' || entry.roles.includes(role));
  });
}
