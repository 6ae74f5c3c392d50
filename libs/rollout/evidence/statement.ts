/**
 * in-toto Statements (in-toto/attestation, spec v1) with a predicate in the shape of SLSA's Verification Summary
 * (slsa.dev/spec/v1.0/verification_summary): who verified what, when, by which policy, and with which result.
 */

export const STATEMENT = 'https://in-toto.io/Statement/v1';
export const BACKUP = 'urn:portcullis:predicate:backup:v1';
export const REHEARSAL = 'urn:portcullis:predicate:rehearsal:v1';

export interface Read {
  /** SHA-256 of what it speaks of, hex. */
  readonly subjects: readonly string[];
  readonly predicateType: string;
  readonly result: 'pass' | 'fail' | 'inconclusive';
  readonly observedAt: Date;
  readonly expiresAt: Date | undefined;
}

type Parts = Record<string, unknown>;

const isParts = (value: unknown): value is Parts =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const HEX = /^[0-9a-f]{64}$/;
const RESULTS = new Map<unknown, Read['result']>([
  ['PASSED', 'pass'],
  ['FAILED', 'fail'],
]);

/** Reads a statement, or says in words what is wrong with it. Any result but PASSED and FAILED is inconclusive. */
export function readStatement(value: unknown): Read | string {
  if (!isParts(value) || value['_type'] !== STATEMENT) return `_type must be ${STATEMENT}`;
  const { subject, predicateType, predicate } = value;
  if (typeof predicateType !== 'string' || !/^[a-z][a-z0-9+.-]*:\S{1,290}$/i.test(predicateType))
    return 'predicateType must be a URI';
  const subjects = subjectsOf(subject);
  if (typeof subjects === 'string') return subjects;
  if (!isParts(predicate)) return 'predicate must be an object';
  const { verificationResult, timeVerified, expiresAt, verifier } = predicate;
  if (!isParts(verifier) || typeof verifier['id'] !== 'string')
    return 'predicate.verifier.id must say who verified';
  const observed = timeOf(timeVerified);
  if (observed === undefined) return 'predicate.timeVerified must be a time as of RFC 3339';
  const expires = expiresAt === undefined ? undefined : timeOf(expiresAt);
  if (expiresAt !== undefined && (expires === undefined || expires <= observed))
    return 'predicate.expiresAt must be a time after timeVerified';
  return {
    subjects,
    predicateType,
    result: RESULTS.get(verificationResult) ?? 'inconclusive',
    observedAt: observed,
    expiresAt: expires,
  };
}

function subjectsOf(subject: unknown): string[] | string {
  if (!Array.isArray(subject) || subject.length === 0 || subject.length > 100)
    return 'subject must be a list of 1 to 100';
  const found: string[] = [];
  for (const one of subject as unknown[]) {
    const digest = isParts(one) && isParts(one['digest']) ? one['digest']['sha256'] : undefined;
    if (typeof digest !== 'string' || !HEX.test(digest))
      return 'every subject must have a digest.sha256 of 64 hexadecimal digits';
    found.push(digest);
  }
  return [...new Set(found)];
}

function timeOf(value: unknown): Date | undefined {
  if (
    typeof value !== 'string' ||
    !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(value)
  )
    return undefined;
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? undefined : time;
}
