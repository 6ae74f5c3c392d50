import { Anything, Choice, Flag, Id, ListOf, Nested, Secret, Slug, Text, Time, Whole } from '#http';
import { SessionView, TokensView } from '../auth.contract.ts';

const CHALLENGE = '`data.challenge.id` of the refusal, or of the answer that began this.';

export class FactorView {
  @Id()
  id: string;

  @Choice(['totp', 'passkey'])
  kind: 'totp' | 'passkey';

  @Text()
  name: string;

  @Time()
  createdAt: string;

  @Time({ optional: true })
  lastUsedAt?: string;

  @Text({
    optional: true,
    description: 'The model of the authenticator, of passkeys; zeros where it does not say.',
  })
  aaguid?: string;

  @ListOf('text', { optional: true, description: 'How browsers reach the authenticator, of passkeys.' })
  transports?: string[];

  @Flag({ optional: true, description: 'The passkey cannot leave the device it was made on.' })
  deviceBound?: boolean;

  @Flag({ optional: true, description: 'The passkey was backed up when it was last used.' })
  backedUp?: boolean;
}

export class FactorsView {
  @ListOf(() => FactorView)
  items: FactorView[];

  @Whole({ description: 'Recovery codes that were not used; make new ones while there are some.' })
  recoveryCodesLeft: number;

  @Flag({ description: 'Whether passkeys work under this deployment’s address.' })
  passkeysAvailable: boolean;
}

export class MemberFactorsView {
  @ListOf(() => FactorView)
  items: FactorView[];
}

export class TotpView {
  @Secret({ description: 'Base32, for typing.' })
  secret: string;

  @Secret({ description: 'otpauth://, to be shown as a QR code.' })
  uri: string;
}

export class ChallengeView {
  @Secret({ max: 200 })
  id: string;

  @ListOf('text')
  methods: string[];

  @Whole({ description: 'Seconds.' })
  expiresIn: number;

  @Anything({ optional: true, description: 'PublicKeyCredentialRequestOptionsJSON (WebAuthn level 3).' })
  passkey?: object;
}

export class PasskeySignInView {
  @Nested(() => ChallengeView)
  challenge: ChallengeView;
}

export class EnrolmentView {
  @Secret({ max: 200 })
  challengeId: string;

  @Whole({ description: 'Seconds.' })
  expiresIn: number;

  @Nested(() => TotpView, { optional: true })
  totp?: TotpView;

  @Anything({ optional: true, description: 'PublicKeyCredentialCreationOptionsJSON (WebAuthn level 3).' })
  passkey?: object;
}

/** What a sign-in with more than a password answers. */
export class VerifiedView extends TokensView {
  @ListOf('text', { optional: true, description: 'Shown once, with the first factor.' })
  recoveryCodes?: string[];

  @Whole({ optional: true, description: 'After the use of one: make new ones while there are some.' })
  recoveryCodesLeft?: number;

  @Flag({ optional: true, description: 'There are so few recovery codes left that new ones are needed.' })
  fewRecoveryCodes?: boolean;
}

export class LoginEnrollRequest {
  @Secret({ max: 200, description: CHALLENGE })
  challengeId: string;

  @Choice(['enroll_totp', 'enroll_passkey'])
  method: 'enroll_totp' | 'enroll_passkey';
}

const CODE = { max: 100, optional: true, description: 'Of a TOTP device, or a recovery code.' };
const ASSERTION = { optional: true, description: 'AuthenticationResponseJSON (WebAuthn level 3).' };
const ATTESTATION = { optional: true, description: 'RegistrationResponseJSON (WebAuthn level 3).' };

export class LoginVerifyRequest {
  @Secret({ max: 200, description: CHALLENGE })
  challengeId: string;

  @Choice(['totp', 'passkey', 'recovery_code', 'enroll_totp', 'enroll_passkey'])
  method: 'totp' | 'passkey' | 'recovery_code' | 'enroll_totp' | 'enroll_passkey';

  @Secret(CODE)
  code?: string;

  @Anything(ASSERTION)
  assertion?: object;

  @Anything(ATTESTATION)
  attestation?: object;

  @Slug({ optional: true, description: 'For a passkey as the first factor: the organization to sign in to.' })
  organization?: string;

  @Text({ max: 100, optional: true, description: 'What the new factor is called.' })
  name?: string;

  @Secret({ optional: true, max: 200, description: '`deviceToken` of an earlier sign-in from this device.' })
  deviceToken?: string;
}

export class StepUpRequest {
  @Secret({ max: 200, description: CHALLENGE })
  challengeId: string;

  @Choice(['password', 'totp', 'passkey', 'recovery_code'])
  method: 'password' | 'totp' | 'passkey' | 'recovery_code';

  @Secret({ max: 1024, optional: true })
  password?: string;

  @Secret(CODE)
  code?: string;

  @Anything(ASSERTION)
  assertion?: object;
}

export class StepUpView {
  @Nested(() => SessionView)
  session: SessionView;
}

class ConfirmRequest {
  @Secret({ max: 200, description: CHALLENGE })
  challengeId: string;

  @Text({ max: 100, optional: true, description: 'What the factor is called.' })
  name?: string;

  @Flag({
    optional: true,
    description: 'End your other sessions, in every organization; false where unsaid.',
  })
  endOtherSessions?: boolean;
}

export class ConfirmTotpRequest extends ConfirmRequest {
  @Secret({ max: 100, description: 'A code that the new device shows.' })
  code: string;
}

export class ConfirmPasskeyRequest extends ConfirmRequest {
  @Anything({ description: 'RegistrationResponseJSON (WebAuthn level 3).' })
  attestation: object;
}

export class AddedFactorView {
  @Nested(() => FactorView)
  factor: FactorView;

  @ListOf('text', { optional: true, description: 'Shown once, with the first factor.' })
  recoveryCodes?: string[];

  @Nested(() => SessionView, { description: 'The session that asks, proven by the new factor now.' })
  session: SessionView;

  @Whole({ description: 'How many other sessions were ended.' })
  revoked: number;
}

export class RecoveryCodesView {
  @ListOf('text', { description: 'Shown once; those before work no more.' })
  recoveryCodes: string[];
}

export class RemoveFactorQuery {
  @Flag({
    optional: true,
    description: 'End your other sessions too, in every organization; true where unsaid.',
  })
  endOtherSessions?: boolean;
}
