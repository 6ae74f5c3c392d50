/**
 * What went wrong, for every face of the product. A fault has a public half (code, message, data, errors)
 * and a private half (detail, cause, audit); only the public half ever leaves the process.
 */

/** Each face has one table from these kinds to its own statuses (HTTP, MCP, exit codes). */
export type FaultKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'limited'
  | 'unavailable'
  | 'internal';

/** One thing wrong with an input: where (`members[0].email`) and what. */
export interface InputError {
  path: string;
  message: string;
}

/** What the audit record of a refusal says beyond the fault's public half. */
export interface FaultAudit {
  /** The reason as operators see it (`wrong_password`), where the caller is told less. */
  reason?: string;
  /** The organization whose log the refusal belongs to, where the caller's is not known. */
  orgId?: string;
  /** Who was refused, where known although the caller is not signed in. */
  actorId?: string;
  /** What kind of actor that is; a user where unsaid. */
  actorType?: 'user' | 'api_key';
  target?: { type: string; id: string; display?: string };
  /** The audit action that was refused; `access.denied` where none is named. */
  action?: string;
}

/** A limit that was met, as the RateLimit header fields tell it (draft-ietf-httpapi-ratelimit-headers). */
export interface Quota {
  /** What it is for: letters, digits, hyphens. */
  readonly name: string;
  /** Requests within `windowSeconds`. */
  readonly limit: number;
  readonly windowSeconds: number;
  /** Seconds until there are any again; none are left now. */
  readonly resetSeconds: number;
}

export interface FaultParts {
  /** Public facts a client can act on, such as `{ permission }`. */
  data?: Record<string, unknown>;
  /** Public list of input errors. */
  errors?: InputError[];
  /** Seconds after which a retry makes sense (Retry-After). */
  retryAfter?: number;
  /** The limit that was met. */
  quota?: Quota;
  /** Private: for the log. */
  detail?: string;
  /** Private: the error behind it. */
  cause?: unknown;
  /** Private: for the audit record. */
  audit?: FaultAudit;
}

export class Fault extends Error {
  readonly data: Record<string, unknown> | undefined;
  readonly errors: InputError[] | undefined;
  readonly retryAfter: number | undefined;
  readonly quota: Quota | undefined;
  readonly detail: string | undefined;
  readonly audit: FaultAudit | undefined;

  constructor(
    readonly code: string,
    readonly kind: FaultKind,
    message: string,
    parts: FaultParts = {},
  ) {
    super(message, { cause: parts.cause });
    this.name = 'Fault';
    this.data = parts.data;
    this.errors = parts.errors;
    this.retryAfter = parts.retryAfter ?? parts.quota?.resetSeconds;
    this.quota = parts.quota;
    this.detail = parts.detail;
    this.audit = parts.audit;
  }
}

/** `[kind, public message]` of one fault code. */
type Declared = readonly [FaultKind, string];

/** A maker of faults of one code; its `code` and `kind` serve documents and tests. */
export interface FaultMaker {
  (parts?: FaultParts): Fault;
  readonly code: string;
  readonly kind: FaultKind;
  readonly message: string;
}

const catalogue = new Map<string, FaultMaker>();

/**
 * Declares the fault codes of a room: `faults('auth', { busy: ['limited', 'Try later.'] }).busy()` makes a
 * Fault with the code `auth.busy`. Codes are append-only; a snapshot test holds the whole list.
 */
export function faults<const T extends Record<string, Declared>>(
  room: string,
  declared: T,
): { readonly [K in keyof T]: FaultMaker } {
  const makers: Record<string, FaultMaker> = {};
  for (const [reason, [kind, message]] of Object.entries(declared)) {
    const code = `${room}.${reason}`;
    if (catalogue.has(code)) throw new Error(`fault code ${code} is declared twice`);
    const maker = Object.assign((parts?: FaultParts) => new Fault(code, kind, message, parts), {
      code,
      kind,
      message,
    });
    catalogue.set(code, maker);
    makers[reason] = maker;
  }
  return makers as { readonly [K in keyof T]: FaultMaker };
}

/** Every fault code declared by the rooms that are loaded, sorted by code. */
export function faultCatalogue(): FaultMaker[] {
  return [...catalogue.values()].sort((a, b) => (a.code < b.code ? -1 : 1));
}
