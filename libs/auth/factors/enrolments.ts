import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import type { SystemTx } from '#database';
import { Clock, newId } from '#kernel';
import { MasterKey } from '#secrets';
import type { AuthMethod } from '../assurance.ts';
import { AuthFault } from '../auth.faults.ts';
import type { ChallengeData } from '../challenges/challenge.store.ts';
import { SignInMail } from '../sign-in-mail.ts';
import type { EnrollMethod } from '../sign-in/sign-in-steps.ts';
import {
  countRecoveryCodes,
  insertPasskey,
  insertTotp,
  readFactors,
  replaceRecoveryCodes,
} from './factor.store.ts';
import { passkeyMethods, type RecordBase, type Refuse, totpContext } from './factor-proofs.ts';
import { credentialsOf } from './factor-view.ts';
import { type NewCredential, Passkeys } from './passkeys.ts';
import { RecoveryCodes } from './recovery-codes.ts';
import { newTotpSecret, shownTotp, totpStep } from './totp.ts';

/** Factors one person may have. */
const MAX_FACTORS = 20;

/** What a person answers to an enrolment. */
export interface EnrollAnswer {
  readonly method: EnrollMethod;
  /** For TOTP: a code of the new device. */
  readonly code?: string | undefined;
  /** For passkeys: RegistrationResponseJSON. */
  readonly attestation?: object | undefined;
}

/** What the person is shown, once. */
export interface Shown {
  readonly totp?: { readonly secret: string; readonly uri: string };
  readonly passkey?: object;
}

/** A factor that works, not yet stored. */
export type NewFactor =
  | { readonly kind: 'totp'; readonly id: string; readonly wrappedSecret: string; readonly step: number }
  | { readonly kind: 'passkey'; readonly id: string; readonly credential: NewCredential };

export interface Added {
  readonly id: string;
  readonly methods: readonly AuthMethod[];
  /** Where the person had none. */
  readonly recoveryCodes: string[] | undefined;
}

/** The two halves of an enrolment: offering a new factor, and taking it once the person has shown that it works. */
@Injectable()
export class Enrolments {
  constructor(
    private readonly audit: Audit,
    private readonly passkeys: Passkeys,
    private readonly codes: RecoveryCodes,
    private readonly masterKey: MasterKey,
    private readonly mail: SignInMail,
    private readonly clock: Clock,
  ) {}

  async begin(
    tx: SystemTx,
    person: { readonly id: string; readonly email: string; readonly name: string },
    method: EnrollMethod,
  ): Promise<{ data: ChallengeData; shown: Shown }> {
    if (method === 'enroll_totp') {
      const factorId = newId();
      const secret = newTotpSecret();
      const wrappedSecret = this.masterKey.wrap(secret, totpContext(factorId));
      return {
        data: { totp: { factorId, wrappedSecret } },
        shown: { totp: shownTotp(secret, person.email) },
      };
    }
    const existing = credentialsOf(await readFactors(tx, person.id));
    const { challenge, options } = await this.passkeys.creation(person, existing);
    return { data: { webauthn: challenge }, shown: { passkey: options } };
  }

  /** Throws `refuse(reason)` unless the answer shows that the offered factor works. */
  async check(data: ChallengeData, answer: EnrollAnswer, refuse: Refuse): Promise<NewFactor> {
    if (answer.method === 'enroll_totp') {
      if (!data.totp) throw refuse('not_begun');
      const { factorId, wrappedSecret } = data.totp;
      const secret = this.masterKey.unwrap(wrappedSecret, totpContext(factorId));
      const step = totpStep(secret, answer.code ?? '', this.clock.now());
      if (step === undefined) throw refuse('wrong_code');
      return { kind: 'totp', id: factorId, wrappedSecret, step };
    }
    if (data.webauthn === undefined) throw refuse('not_begun');
    const credential = await this.passkeys.attestation(answer.attestation ?? {}, data.webauthn);
    if (!credential) throw refuse('wrong_attestation');
    return { kind: 'passkey', id: newId(), credential };
  }

  /** Stores the factor, and the person's first recovery codes. The caller holds the lock on the person. */
  async add(
    tx: SystemTx,
    userId: string,
    factor: NewFactor,
    name: string | undefined,
    base: RecordBase,
  ): Promise<Added> {
    const existing = await readFactors(tx, userId);
    if (existing.length >= MAX_FACTORS) throw AuthFault.too_many_factors();
    await this.#tell(tx, base, factor.kind);
    await this.audit.record(tx, {
      ...base,
      outcome: 'success',
      action: 'auth.factor_added',
      changes: { factor: { to: factor.id }, kind: { to: factor.kind }, ...detailsOf(factor) },
    });
    if (factor.kind === 'totp') {
      await insertTotp(tx, { ...factor, userId, name: name ?? 'Authenticator app' });
    } else if (!(await insertPasskey(tx, { ...factor, userId, name: name ?? 'Passkey' }))) {
      throw AuthFault.passkey_known();
    }
    const isFirst = (await countRecoveryCodes(tx, userId)) === 0;
    return {
      id: factor.id,
      methods: factor.kind === 'totp' ? ['otp'] : passkeyMethods(factor.credential.deviceBound),
      recoveryCodes: isFirst ? await this.#newCodes(tx, userId, base) : undefined,
    };
  }

  /** New recovery codes in the place of all before. */
  async renewCodes(tx: SystemTx, userId: string, base: RecordBase): Promise<string[]> {
    await this.#tell(tx, base, 'recovery_codes');
    return this.#newCodes(tx, userId, base);
  }

  async #tell(tx: SystemTx, base: RecordBase, kind: NewFactor['kind'] | 'recovery_codes'): Promise<void> {
    const { display } = base.target;
    if (display !== undefined) await this.mail.sendFactorChanged(tx, display, 'added', kind);
  }

  async #newCodes(tx: SystemTx, userId: string, base: RecordBase): Promise<string[]> {
    const codes = this.codes.generate();
    await this.audit.record(tx, { ...base, outcome: 'success', action: 'auth.recovery_codes_regenerated' });
    await replaceRecoveryCodes(
      tx,
      userId,
      codes.map((code) => this.codes.digest(userId, code)),
    );
    return codes;
  }
}

function detailsOf(factor: NewFactor): Record<string, { to: string | boolean }> {
  if (factor.kind === 'totp') return {};
  const { aaguid, deviceBound, backedUp } = factor.credential;
  return { aaguid: { to: aaguid }, deviceBound: { to: deviceBound }, backedUp: { to: backedUp } };
}
