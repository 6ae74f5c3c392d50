import type { Fault, FaultKind, InputError } from '#kernel';
import { HttpFault } from './http.faults.ts';

/** The answer of every refusal and failure: RFC 9457 problem details with our members. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  requestId: string;
  data?: Record<string, unknown>;
  errors?: InputError[];
}

export const PROBLEM_TYPE = 'application/problem+json';

/** The one table from the kind of a fault to its HTTP status. */
const STATUS: Record<FaultKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  limited: 429,
  unavailable: 503,
  internal: 500,
};

/** Faults of the transport itself, for which HTTP has statuses of its own (RFC 9110 section 15, RFC 6585). */
const TRANSPORT: Record<string, number> = {
  [HttpFault.method_not_allowed.code]: 405,
  [HttpFault.timeout.code]: 408,
  [HttpFault.too_large.code]: 413,
  [HttpFault.unsupported_media_type.code]: 415,
  [HttpFault.expectation_failed.code]: 417,
  [HttpFault.header_too_large.code]: 431,
};

export function statusOf(fault: { code: string; kind: FaultKind }): number {
  return TRANSPORT[fault.code] ?? STATUS[fault.kind];
}

/** Where the document of the code stands, relative to the server: served by the docs controller. */
export function problemType(code: string): string {
  return `/api/docs/faults#${code}`;
}

/** The public half of a fault. An internal one shows nothing but the request id. */
export function problemOf(fault: Fault, requestId: string): Problem {
  const shown = fault.kind === 'internal' ? HttpFault.internal() : fault;
  const problem: Problem = {
    type: problemType(shown.code),
    title: shown.message,
    status: statusOf(shown),
    code: shown.code,
    requestId,
  };
  if (shown.data) problem.data = shown.data;
  if (shown.errors) problem.errors = shown.errors;
  return problem;
}

/** Seconds until a retry where the fault names none. */
const RETRY_AFTER: Partial<Record<FaultKind, number>> = { limited: 1, unavailable: 2 };

/** The headers that go with a fault. `credentialSent`: the client did send one, so RFC 6750 asks to say it is bad. */
export function problemHeaders(fault: Fault, credentialSent: boolean): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': PROBLEM_TYPE };
  if (fault.kind === 'unauthenticated') {
    headers['www-authenticate'] = credentialSent
      ? 'Bearer realm="portcullis", error="invalid_token"'
      : 'Bearer realm="portcullis"';
  }
  const retryAfter = fault.retryAfter ?? RETRY_AFTER[fault.kind];
  if (retryAfter !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfter)));
  if (fault.quota) {
    const { name, limit, windowSeconds, resetSeconds } = fault.quota;
    headers['ratelimit-policy'] = `"${name}";q=${limit};w=${windowSeconds}`;
    headers['ratelimit'] = `"${name}";r=0;t=${Math.max(1, Math.ceil(resetSeconds))}`;
  }
  return headers;
}
