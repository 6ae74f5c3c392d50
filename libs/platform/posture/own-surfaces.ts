import { sha256 } from '#kernel';
import type { OwnSurface } from '#projection';

/** The surfaces of the deployment itself. Append-only. */
export const ownSurfaceKeys = [
  'rest',
  'console',
  'mcp',
  'gitea-intake',
  'worker',
  'database',
  'audit-log',
  'secrets',
  'identity-providers',
  'sinks',
  'rollouts',
  'backup',
] as const;
export type OwnSurfaceKey = (typeof ownSurfaceKeys)[number];

type Desired = OwnSurface['policy']['desired'];

interface Declared {
  readonly name: string;
  readonly desired: Desired;
}

const desired = (
  authMode: Desired['authMode'],
  sessionHandoff: Desired['sessionHandoff'],
  adminPosture: Desired['adminPosture'],
): Desired => ({ authMode, sessionHandoff, adminPosture, onboardingStatus: 'onboarded' });

const declared: Record<OwnSurfaceKey, Declared> = {
  rest: { name: 'REST API', desired: desired('api_key', 'runtime_local', 'admin_capable') },
  console: { name: 'Console', desired: desired('local', 'runtime_local', 'admin_capable') },
  mcp: { name: 'Model Context Protocol', desired: desired('api_key', 'none', 'none') },
  'gitea-intake': { name: 'Gitea webhook intake', desired: desired('webhook_hmac', 'none', 'none') },
  worker: { name: 'Background work', desired: desired('host_local', 'none', 'none') },
  database: { name: 'Database', desired: desired('local', 'none', 'superadmin') },
  'audit-log': { name: 'Audit log', desired: desired('api_key', 'none', 'none') },
  secrets: { name: 'Secrets', desired: desired('api_key', 'none', 'admin_capable') },
  'identity-providers': { name: 'Identity providers', desired: desired('oidc', 'oidc_interactive', 'none') },
  sinks: { name: 'Audit sinks', desired: desired('mtls', 'none', 'none') },
  rollouts: { name: 'Rollouts and sign-off', desired: desired('api_key', 'none', 'admin_capable') },
  backup: { name: 'Backup and drill', desired: desired('host_local', 'host_local_admin', 'recovery_only') },
};

/**
 * What is observed of one of them. `planned`: it is not built, or nobody has configured it. `suspended`: it takes no
 * changes. `up` and `down`: it is there, and works or does not.
 */
export type Observation = 'up' | 'down' | 'suspended' | 'planned' | 'unknown';

const OWNER = 'portcullis';
const TTL_SECONDS = 15;

/** An own surface with the facts that follow from an observation. What could not be observed has none. */
export function ownSurfaceOf(
  key: OwnSurfaceKey,
  observation: Observation,
  org: { id: string; slug: string },
  now: number,
): OwnSurface {
  const { name, desired: wanted } = declared[key];
  const planned = observation === 'planned';
  const fact = (data: Record<string, unknown>) => ({
    revision: 1,
    generation: 1,
    authorityId: OWNER,
    observedAt: now,
    receivedAt: now,
    ttlSeconds: TTL_SECONDS,
    data: { tenant: org.id, ...data },
    hasEvidence: true,
    inConflict: false,
  });
  const onboardingStatus = planned ? 'planned' : observation === 'suspended' ? 'suspended' : 'onboarded';
  return {
    id: idOf(org.id, key),
    orgId: org.id,
    key,
    name,
    policy: {
      generation: 1,
      desired: wanted,
      requireEvidence: false,
      tenants: [org.id],
      owners: { rights: OWNER, auth: OWNER, runtime: OWNER },
    },
    facts:
      observation === 'unknown'
        ? {}
        : {
            rights: fact({ onboardingStatus, rightsRevision: BUILD }),
            auth: fact({
              authMode: wanted.authMode,
              sessionHandoff: planned ? 'planned_not_live' : wanted.sessionHandoff,
              normalized: true,
              breakGlass: false,
            }),
            runtime: fact({
              materialized: observation === 'up' || observation === 'suspended',
              sessionMaterialized: !planned,
              adminPosture: wanted.adminPosture,
              rightsRevision: planned ? null : BUILD,
            }),
          },
  };
}

/** The rights of our own surfaces are those of the running build. */
const BUILD = 'build';

/** The same on every replica and after every start: UUID version 8 (RFC 9562 section 5.8) of organization and key. */
function idOf(orgId: string, key: OwnSurfaceKey): string {
  const hex = sha256(`own-surface:${orgId}:${key}`).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
