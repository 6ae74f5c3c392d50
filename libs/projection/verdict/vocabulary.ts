/**
 * The words that a surface is described by. Append-only, held by a snapshot test: a reader that meets a word it does
 * not know takes it for the worst, so a new word is safe where an old one may not change its meaning.
 */
export const authModes = [
  'none',
  'api_key',
  'local',
  'oidc',
  'saml',
  'bridge',
  'mtls',
  'webhook_hmac',
  'host_local',
] as const;

export const onboardingStatuses = ['planned', 'onboarding', 'onboarded', 'suspended', 'retired'] as const;

export const sessionHandoffs = [
  'oidc_interactive',
  'bridge',
  'runtime_local',
  'host_local_admin',
  'planned_not_live',
  'none',
] as const;

export const adminPostures = ['none', 'admin_capable', 'superadmin', 'recovery_only'] as const;

/** Kinds of truth that a fact may tell. Each has one owner; the fourth kind, the projection, is the product's. */
export const factKinds = ['rights', 'auth', 'runtime'] as const;
export type FactKind = (typeof factKinds)[number];

/** Best first: the worst of them wins. */
export const verdicts = ['ready', 'followthrough-required', 'review-required', 'blocked'] as const;
export type Verdict = (typeof verdicts)[number];

export const conditionTypes = [
  'RightsCurrent',
  'AuthCurrent',
  'RuntimeCurrent',
  'TenantMatches',
  'Onboarded',
  'AuthModeSettled',
  'SessionLive',
  'RightsAligned',
  'AdminPostureBounded',
  'BreakGlassInactive',
  'EvidenceAttached',
] as const;
export type ConditionType = (typeof conditionTypes)[number];

export const conditionStatuses = ['True', 'False', 'Unknown'] as const;
export type ConditionStatus = (typeof conditionStatuses)[number];

/** What a surface is, as somebody wants it or as its owners tell it. */
export interface SurfaceValues {
  readonly authMode: (typeof authModes)[number];
  readonly onboardingStatus: (typeof onboardingStatuses)[number];
  readonly sessionHandoff: (typeof sessionHandoffs)[number];
  readonly adminPosture: (typeof adminPostures)[number];
}

/** The values that each field of a surface may have. */
export const surfaceVocabulary = {
  authMode: authModes,
  onboardingStatus: onboardingStatuses,
  sessionHandoff: sessionHandoffs,
  adminPosture: adminPostures,
} as const satisfies { [K in keyof SurfaceValues]: readonly SurfaceValues[K][] };
