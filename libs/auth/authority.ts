import { builtInPermissions, type BuiltInRole, fitsKind, isPermission } from '#access';
import type { Caller, CallerOrg, RequestFacts } from '#kernel';

/** A session as far as authority needs it, and as `GET /auth/me` shows it. Times are RFC 3339. */
export interface SessionFacts {
  readonly id: string;
  readonly userId: string;
  readonly organizationId: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly idleSeconds: number;
  readonly authMethods: readonly string[];
  readonly assurance: string;
  /** When a password, and when a second factor or a passkey, was last proven in it. */
  readonly passwordAt: string | undefined;
  readonly factorAt: string | undefined;
  /** The factor that was. */
  readonly factorId: string | undefined;
  /** When the person had proven themselves, where that was before it began; undefined where it began with that. */
  readonly provenAt: string | undefined;
  /** The device it was opened from, where it is stored now; not read back. */
  readonly deviceId?: string | undefined;
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
}

/**
 * What a live credential may do: everything the guard asks, computed when it is loaded and not per request.
 * Cached only under the invalidation lease; `subjects` are the invalidations that end it.
 */
export interface Authority {
  /** `session:<id>` or `api_key:<id>`. */
  readonly key: string;
  readonly kind: 'user' | 'api_key';
  readonly id: string;
  readonly display: string;
  readonly userId: string;
  readonly email: string;
  /** The person's name; `display` is the key's for API keys. */
  readonly userName: string;
  readonly org: CallerOrg;
  readonly permissions: ReadonlySet<string>;
  /** Whether the session was proven as the organization's policy asks; true for keys. */
  readonly assured: boolean;
  /** Whether the person has a second factor; only that is a fresh proof then. False for keys. */
  readonly hasFactor: boolean;
  /** Addresses the organization's policy accepts it from; empty means from anywhere. */
  readonly policyCidrs: readonly string[];
  readonly subjects: readonly string[];
  /** Epoch milliseconds; Infinity where it does not expire by itself. */
  readonly expiresAt: number;
  /** Milliseconds without use after which it ends; Infinity for keys. */
  readonly idleMs: number;
  /** Epoch milliseconds of the last use this process knows of. */
  lastUsed: number;
  readonly session: SessionFacts | undefined;
  readonly apiKey: ApiKeyFacts | undefined;
}

export interface ApiKeyFacts {
  readonly digest: string;
  /** The pepper the digest is computed with. */
  readonly pepperId: string;
  readonly previousDigest: string | undefined;
  readonly previousPepperId: string;
  /** Epoch milliseconds until which the previous secret is accepted. */
  readonly previousUntil: number;
  readonly allowedCidrs: readonly string[];
}

/** The authority of a role in an organization of a kind: names outside the catalogue or the kind give nothing. */
export function rolePermissions(
  role: { builtIn: BuiltInRole | null; permissions: readonly string[] },
  kind: 'tenant' | 'platform',
): Set<string> {
  if (role.builtIn !== null) return new Set(builtInPermissions(role.builtIn, kind));
  return new Set(role.permissions.filter((name) => isPermission(name) && fitsKind(name, kind)));
}

/** The caller of one request. */
export class AuthorityCaller implements Caller {
  readonly kind: 'user' | 'api_key';
  readonly id: string;
  readonly org: CallerOrg;
  readonly permissions: ReadonlySet<string>;
  readonly assured: boolean;

  constructor(
    readonly authority: Authority,
    readonly request: RequestFacts,
  ) {
    this.kind = authority.kind;
    this.id = authority.id;
    this.org = authority.org;
    this.permissions = authority.permissions;
    this.assured = authority.assured;
  }

  get display(): string {
    return this.authority.display;
  }

  get userId(): string {
    return this.authority.userId;
  }

  get sessionId(): string | undefined {
    return this.authority.session?.id;
  }

  get apiKeyId(): string | undefined {
    return this.authority.kind === 'api_key' ? this.authority.id : undefined;
  }
}
