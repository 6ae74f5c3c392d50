import { type DynamicModule, Module } from '@nestjs/common';
import { Authenticator } from '#access';
import { AccessTokens, AccessTokenStrategy } from './access-tokens.ts';
import { ApiKeySecrets } from './api-keys/api-key-secret.ts';
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
import { SignIn } from './sign-in.ts';
import { SigningKeyRotation } from './signing/signing-key-rotation.ts';
import { SigningKeysController } from './signing/signing-keys.controller.ts';
import { SigningKeys } from './signing/signing-keys.ts';

@Module({})
export class AuthModule {
  static with(config: AuthConfig): DynamicModule {
    return {
      module: AuthModule,
      global: true,
      controllers: [AuthController, JwksController, OrgSessionsController, SigningKeysController],
      providers: [
        { provide: AuthConfig, useValue: config },
        AccessTokens,
        ApiKeySecrets,
        AccessTokenStrategy,
        AuthorityCache,
        BearerAuthenticator,
        { provide: Authenticator, useExisting: BearerAuthenticator },
        Passwords,
        Refresh,
        SessionActivity,
        SessionIssuer,
        Sessions,
        SignIn,
        SigningKeyRotation,
        SigningKeys,
      ],
      exports: [ApiKeySecrets, Authenticator, Passwords, Sessions, SigningKeyRotation, SigningKeys],
    };
  }
}
