import { Injectable } from '@nestjs/common';
import type { AuditAction } from './catalogue/actions.ts';

/** How a sign-in ended, by the action that tells of it. */
const signIns = {
  'auth.signed_in': 'success',
  'auth.mfa_challenged': 'challenged',
  'auth.sign_in_refused': 'refused',
} as const satisfies Partial<Record<AuditAction, string>>;

/**
 * What this process told the log since it began: sign-ins by how they ended, refusals by the code of their fault, both
 * closed sets. Refusals that become one counted record are counted one by one here.
 */
@Injectable()
export class OutcomeCounts {
  readonly #signIns = new Map<string, number>(Object.values(signIns).map((outcome) => [outcome, 0]));
  readonly #denials = new Map<string, number>();

  /** Of records that come one by one, as sign-ins do; refusals are counted where they are refused. */
  recorded(action: AuditAction, outcome: string): void {
    if (outcome === 'success') this.#ofSignIn(action);
  }

  refused(action: AuditAction, code: string): void {
    this.#ofSignIn(action);
    this.#denials.set(code, (this.#denials.get(code) ?? 0) + 1);
  }

  /** By outcome. */
  get signIns(): ReadonlyMap<string, number> {
    return this.#signIns;
  }

  /** By code. */
  get denials(): ReadonlyMap<string, number> {
    return this.#denials;
  }

  #ofSignIn(action: AuditAction): void {
    if (!isSignIn(action)) return;
    const outcome = signIns[action];
    this.#signIns.set(outcome, (this.#signIns.get(outcome) ?? 0) + 1);
  }
}

function isSignIn(action: AuditAction): action is keyof typeof signIns {
  return Object.hasOwn(signIns, action);
}
