import { type DynamicModule, Module } from '@nestjs/common';
import { Authenticator } from '#access';
import { AccessTokens, AccessTokenStrategy } from './access-tokens.ts';
import { ApiKeySecrets } from './api-key-secret.ts';
import { AuthConfig } from './auth.config.ts';
import { AuthController, JwksController } from './auth.controller.ts';
import { AuthorityCache } from './authority-cache.ts';
import { BearerAuthenticator } from './bearer-authenticator.ts';
import { Enrolments } from './factors/enrolments.ts';
import { FactorProofs } from './factors/factor-proofs.ts';
import { Factors } from './factors/factors.ts';
import { FactorsController } from './factors/factors.controller.ts';
import { Passkeys } from './factors/passkeys.ts';
import { RecoveryCodes } from './factors/recovery-codes.ts';
import { OrgSessionsController } from './org-sessions.controller.ts';
import { Passwords } from './passwords.ts';
import { Refresh } from './refresh.ts';
import { SessionActivity } from './session-activity.ts';
import { SessionIssuer } from './session-issuer.ts';
import { Sessions } from './sessions.ts';
import { Policies } from './policy/policies.ts';
import { PolicyController } from './policy/policy.controller.ts';
import { SignIn } from './sign-in/sign-in.ts';
import { SignInFactors } from './sign-in/sign-in-factors.ts';
import { SignInFactorsController } from './sign-in/sign-in-factors.controller.ts';
import { SignInPath } from './sign-in/sign-in-path.ts';
import { SigningKeys } from './signing-keys.ts';
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
        FactorsController,
        JwksController,
        OrgSessionsController,
        PolicyController,
        SignInFactorsController,
        StepUpController,
      ],
      providers: [
        { provide: AuthConfig, useValue: config },
        AccessTokens,
        ApiKeySecrets,
        AccessTokenStrategy,
        AuthorityCache,
        BearerAuthenticator,
        { provide: Authenticator, useExisting: BearerAuthenticator },
        Enrolments,
        FactorProofs,
        Factors,
        Passkeys,
        Passwords,
        Policies,
        RecoveryCodes,
        Refresh,
        SessionActivity,
        SessionIssuer,
        Sessions,
        SignIn,
        SignInFactors,
        SignInPath,
        SigningKeys,
        StepUps,
      ],
      exports: [ApiKeySecrets, Authenticator, Factors, Passwords, Sessions, SigningKeys],
    };
  }
}
