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
import { AuthorityCache } from './authority-cache.ts';
import { BearerAuthenticator } from './bearer-authenticator.ts';
import { OrgSessionsController } from './org-sessions.controller.ts';
import { Passwords } from './passwords.ts';
import { Refresh } from './refresh.ts';
import { SessionActivity } from './session-activity.ts';
import { SessionIssuer } from './session-issuer.ts';
import { Sessions } from './sessions.ts';
import { Policies } from './policy/policies.ts';
import { PolicyController } from './policy/policy.controller.ts';
import { SignIn } from './sign-in.ts';
import { SigningKeyRotation } from './signing/signing-key-rotation.ts';
import { SigningKeysController } from './signing/signing-keys.controller.ts';
import { SigningKeys } from './signing/signing-keys.ts';
import { StepUps } from './step-up.ts';

@Module({})
export class AuthModule {
  static with(config: AuthConfig): DynamicModule {
    return {
      module: AuthModule,
      global: true,
      controllers: [
        AuthController,
        JwksController,
        OrgSessionsController,
        KeyPeppersController,
        ReportedKeysController,
        SecretPatternsController,
        PolicyController,
        SigningKeysController,
      ],
      providers: [
        { provide: AuthConfig, useValue: config },
        AccessTokens,
        ApiKeySecrets,
        AccessTokenStrategy,
        AuthorityCache,
        BearerAuthenticator,
        { provide: Authenticator, useExisting: BearerAuthenticator },
        KeyActivity,
        KeyRehash,
        KeyRevocation,
        Passwords,
        PepperRotation,
        Policies,
        Refresh,
        SessionActivity,
        SessionIssuer,
        Sessions,
        SignIn,
        SigningKeyRotation,
        SigningKeys,
        StepUps,
      ],
      exports: [
        ApiKeySecrets,
        Authenticator,
        KeyRevocation,
        Passwords,
        PepperRotation,
        Sessions,
        SigningKeyRotation,
        SigningKeys,
      ],
    };
  }
}
