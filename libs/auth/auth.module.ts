import { type DynamicModule, Module } from '@nestjs/common';
import { Authenticator } from '#access';
import { AccessTokens, AccessTokenStrategy } from './access-tokens.ts';
import { ApiKeySecrets } from './api-key-secret.ts';
import { AuthConfig } from './auth.config.ts';
import { AuthController, JwksController } from './auth.controller.ts';
import { AuthorityCache } from './authority-cache.ts';
import { BearerAuthenticator } from './bearer-authenticator.ts';
import { OrgSessionsController } from './sessions/org-sessions.controller.ts';
import { Passwords } from './passwords.ts';
import { BulkRevocation } from './sessions/bulk-revocation.ts';
import { Refresh } from './sessions/refresh.ts';
import { SessionActivity } from './sessions/session-activity.ts';
import { SessionIssuer } from './sessions/session-issuer.ts';
import { Sessions } from './sessions/sessions.ts';
import { Policies } from './policy/policies.ts';
import { PolicyController } from './policy/policy.controller.ts';
import { SwitchOrganization } from './sessions/switch-organization.ts';
import { SignIn } from './sign-in.ts';
import { SigningKeys } from './signing-keys.ts';
import { StepUps } from './step-up.ts';

@Module({})
export class AuthModule {
  static with(config: AuthConfig): DynamicModule {
    return {
      module: AuthModule,
      global: true,
      controllers: [AuthController, JwksController, OrgSessionsController, PolicyController],
      providers: [
        { provide: AuthConfig, useValue: config },
        AccessTokens,
        ApiKeySecrets,
        AccessTokenStrategy,
        AuthorityCache,
        BearerAuthenticator,
        BulkRevocation,
        { provide: Authenticator, useExisting: BearerAuthenticator },
        Passwords,
        Policies,
        Refresh,
        SessionActivity,
        SessionIssuer,
        Sessions,
        SignIn,
        SigningKeys,
        StepUps,
        SwitchOrganization,
      ],
      exports: [ApiKeySecrets, Authenticator, Passwords, Sessions, SigningKeys],
    };
  }
}
