import { Fault } from '#kernel';
import { SecretFault } from '../secrets.faults.ts';

/**
 * Why the server gave no answer that can be used. `unauthenticated`: no login succeeds; `forbidden`: the token is
 * alive, and its policy does not allow it; `theft`: a wrapped secret-id was opened by somebody else, or is another's.
 */
export type FailureReason =
  | 'unreachable'
  | 'late'
  | 'broken_off'
  | 'too_long'
  | 'redirected'
  | 'malformed'
  | 'sealed'
  | 'standby'
  | 'limited'
  | 'failing'
  | 'refused'
  | 'forbidden'
  | 'unauthenticated'
  | 'theft';

/**
 * Says which, and no more: neither what was sent (a token, a value) nor what came back stands in it, for errors are
 * logged. Nor does the error behind it.
 */
export class VaultFailure extends Error {
  readonly status: number | undefined;
  /** Seconds after which the server wants to be asked again. */
  readonly retryAfter: number | undefined;
  /** Whether the server may have done what it was asked all the same. */
  readonly maybeDone: boolean;

  constructor(
    readonly reason: FailureReason,
    { status, retryAfter, maybeDone = false, detail }: FailureParts = {},
  ) {
    const facts = [status === undefined ? undefined : `status ${status}`, detail].filter((fact) => fact);
    super(`the secret store: ${reason}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`);
    this.name = 'VaultFailure';
    this.status = status;
    this.retryAfter = retryAfter;
    this.maybeDone = maybeDone;
  }

  /** `secrets.store_refused` for a definite no, else `secrets.unavailable`. */
  toFault(): Fault {
    const parts = {
      detail: this.message,
      retryAfter: Math.min(this.retryAfter ?? RETRY_AFTER, LONGEST_RETRY),
    };
    return this.reason === 'forbidden' || this.reason === 'refused'
      ? SecretFault.store_refused(parts)
      : SecretFault.unavailable(parts);
  }
}

interface FailureParts {
  readonly status?: number | undefined;
  readonly retryAfter?: number | undefined;
  readonly maybeDone?: boolean;
  /** A word of ours or of the system (`ECONNREFUSED`); nothing that was sent or answered. */
  readonly detail?: string | undefined;
}

const RETRY_AFTER = 5;
const LONGEST_RETRY = 300;
