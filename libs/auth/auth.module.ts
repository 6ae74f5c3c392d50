import { type DynamicModule, Module } from '@nestjs/common';
import { Authenticator } from '#access';
import { AccessTokens, AccessTokenStrategy } from './access-tokens.ts';
import { ApiKeySecrets } from './api-keys/api-key-secrets.ts';
import { ReportedKeysController, SecretPatternsController } from './api-keys/api-keys.controller.ts';
import { KeyActivity } from './api-keys/key-activity.ts';
import { KeyPeppersController } from './api-keys/key-peppers.controller.ts';
import { KeyRehash } from './api-keys/key-rehash.ts';
import { KeyRevocation } from './api-keys/key-revocation.ts';
import { PepperRotation } from './api-keys/pepper-rotation.ts';
import { AuthConfig } from './auth.config.ts';
import { AuthController, JwksController } from './auth.controller.ts';
import { Devices } from './devices/devices.ts';
import { DevicesController } from './devices/devices.controller.ts';
import { AttemptLimits } from './limits/attempt-limits.ts';
import { Lockouts } from './limits/lockouts.ts';
import { AuthorityCache } from './authority-cache.ts';
import { BearerAuthenticator } from './bearer-authenticator.ts';
import { Enrolments } from './factors/enrolments.ts';
import { FactorGuesses } from './factors/factor-guesses.ts';
import { FactorProofs } from './factors/factor-proofs.ts';
import { FactorsController } from './factors/factors.controller.ts';
import { Factors } from './factors/factors.ts';
import { Passkeys } from './factors/passkeys.ts';
import { RecoveryCodes } from './factors/recovery-codes.ts';
import { ChosenPasswords } from './passwords/chosen-passwords.ts';
import { PasswordChanges } from './passwords/password-changes.ts';
import { PasswordResets } from './passwords/password-resets.ts';
import { PasswordsController } from './passwords/passwords.controller.ts';
import { Passwords } from './passwords/passwords.ts';
import { PasswordMail } from './passwords/password-mail.ts';
import { Policies } from './policy/policies.ts';
import { PolicyController } from './policy/policy.controller.ts';
import { OrgSessionsController } from './sessions/org-sessions.controller.ts';
import { BulkRevocation } from './sessions/bulk-revocation.ts';
import { Refresh } from './sessions/refresh.ts';
import { SessionActivity } from './sessions/session-activity.ts';
import { SessionIssuer } from './sessions/session-issuer.ts';
import { Sessions } from './sessions/sessions.ts';
import { SignInFactorsController } from './sign-in/sign-in-factors.controller.ts';
import { SignInFactors } from './sign-in/sign-in-factors.ts';
import { SignInPath } from './sign-in/sign-in-path.ts';
import { SignIn } from './sign-in/sign-in.ts';
import { SwitchOrganization } from './sessions/switch-organization.ts';
import { SignInMail } from './sign-in-mail.ts';
import { SigningKeyRotation } from './signing/signing-key-rotation.ts';
import { SigningKeysController } from './signing/signing-keys.controller.ts';
import { SigningKeys } from './signing/signing-keys.ts';
import { StepUps } from './step-up/step-up.ts';
import { StepUpController } from './step-up/step-up.controller.ts';

@Module({})
export class AuthModule {
  static with(config: AuthConfig): DynamicModule {
    return {
      module: AuthModule,
      global: true,
      controllers: [
        AuthController,
        DevicesController,
        FactorsController,
        JwksController,
        OrgSessionsController,
        PasswordsController,
        KeyPeppersController,
        ReportedKeysController,
        SecretPatternsController,
        PolicyController,
        SigningKeysController,
        SignInFactorsController,
        StepUpController,
      ],
      providers: [
        { provide: AuthConfig, useValue: config },
        AccessTokens,
        ApiKeySecrets,
        AccessTokenStrategy,
        AttemptLimits,
        AuthorityCache,
        BearerAuthenticator,
        BulkRevocation,
        { provide: Authenticator, useExisting: BearerAuthenticator },
        ChosenPasswords,
        Devices,
        Enrolments,
        FactorGuesses,
        FactorProofs,
        Factors,
        Lockouts,
        Passkeys,
        PasswordChanges,
        PasswordMail,
        PasswordResets,
        KeyActivity,
        KeyRehash,
        KeyRevocation,
        Passwords,
        PepperRotation,
        Policies,
        RecoveryCodes,
        Refresh,
        SessionActivity,
        SessionIssuer,
        Sessions,
        SignIn,
        SignInFactors,
        SignInPath,
        SignInMail,
        SigningKeyRotation,
        SigningKeys,
        StepUps,
        SwitchOrganization,
      ],
      exports: [
        ApiKeySecrets,
        AttemptLimits,
        Authenticator,
        ChosenPasswords,
        KeyRevocation,
        PasswordMail,
        PasswordResets,
        Factors,
        Passwords,
        PepperRotation,
        Sessions,
        SigningKeyRotation,
        SigningKeys,
      ],
    };
  }
}
