/** The organization a caller acts in, as far as authority depends on it. */
export interface CallerOrg {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly kind: 'tenant' | 'platform';
  readonly status: 'active' | 'suspended';
  readonly createdAt: string;
}

/** The request a caller came with: what audit records say of it. Personal: `ip` and `userAgent`. */
export interface RequestFacts {
  readonly id: string;
  readonly method: string;
  /** The route pattern (`/api/v1/orgs/:orgId`), never the path itself. */
  readonly route: string;
  readonly ip?: string;
  readonly userAgent?: string;
}

/**
 * Who acts, in which organization, with which permissions. Made only by the authenticator from a credential
 * that was live at that moment, and by `acrossOrgs` for the system itself.
 */
export interface Caller {
  readonly kind: 'user' | 'api_key' | 'system';
  /** User, API key or system component. */
  readonly id: string;
  readonly display?: string;
  readonly org: CallerOrg;
  readonly permissions: ReadonlySet<string>;
  /** Whether the credential was proven as the organization's policy asks; until then only own matters are open. */
  readonly assured: boolean;
  /** The human answerable: the user of the session, or the owner of the key. */
  readonly userId?: string;
  readonly sessionId?: string;
  readonly apiKeyId?: string;
  readonly request: RequestFacts;
}

/** The same actor and request for a record in the log of another organization. Grants nothing there. */
export function callerIn(caller: Caller, org: CallerOrg): Caller {
  const { kind, id, display, userId, sessionId, apiKeyId, request } = caller;
  return {
    kind,
    id,
    display,
    permissions: new Set(),
    assured: false,
    userId,
    sessionId,
    apiKeyId,
    request,
    org,
  };
}
