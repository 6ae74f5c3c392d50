import { Body, Controller, Delete, Get, Param, Post, Query, Req } from '@nestjs/common';
import { AccessFault, type AccessRequest, callerOf, Public, SignedIn, WhileReadOnly } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import {
  JwksView,
  LoginRequest,
  MeView,
  PasswordChangeRequest,
  RefreshRequest,
  RevokedView,
  SessionPage,
  SwitchRequest,
  TokensView,
} from './auth.contract.ts';
import { AuthFault } from './auth.faults.ts';
import { Refresh } from './sessions/refresh.ts';
import { Sessions } from './sessions/sessions.ts';
import { SignIn } from './sign-in/sign-in.ts';
import { SwitchOrganization } from './sessions/switch-organization.ts';
import { SigningKeys } from './signing/signing-keys.ts';

const SIGN_IN = 'who can end that state must be able to sign in, and reads go on';
const ENDS = 'it ends authority, which waits for nothing';

@Controller('api/v1/auth')
export class AuthController {
  constructor(
    private readonly signIn: SignIn,
    private readonly refreshes: Refresh,
    private readonly sessions: Sessions,
    private readonly switches: SwitchOrganization,
  ) {}

  @Post('login')
  @WhileReadOnly(SIGN_IN)
  @Public('the password is the credential')
  @Answers(TokensView, {
    faults: [
      AuthFault.invalid_credentials,
      AuthFault.mfa_required,
      AuthFault.password_change_required,
      AuthFault.organization_required,
      AuthFault.passkeys_unavailable,
      AccessFault.org_suspended,
      AuthFault.busy,
      AuthFault.too_many_requests,
    ],
    description: 'Sign in to one organization and get a session.',
  })
  login(@Body() body: LoginRequest, @Req() request: AccessRequest): Promise<TokensView> {
    return this.signIn.login(body, request.facts);
  }

  @Post('password/change-required')
  @Public('the challenge is the credential')
  @Answers(TokensView, {
    faults: [
      AuthFault.invalid_challenge,
      AuthFault.password_unchanged,
      AuthFault.mfa_required,
      AuthFault.passkeys_unavailable,
      AuthFault.password_refused,
      AuthFault.busy,
      AuthFault.too_many_requests,
    ],
    description: 'Replace a password that was given once, and sign in.',
  })
  changeRequired(@Body() body: PasswordChangeRequest, @Req() request: AccessRequest): Promise<TokensView> {
    return this.signIn.changeRequired(body, request.facts);
  }

  @Post('refresh')
  @WhileReadOnly(SIGN_IN)
  @Public('the refresh token is the credential')
  @Answers(TokensView, {
    faults: [AuthFault.invalid_refresh_token, AuthFault.too_many_requests],
    description: 'Get a new access token and the next refresh token. Each refresh token works once.',
  })
  refresh(@Body() body: RefreshRequest, @Req() request: AccessRequest): Promise<TokensView> {
    return this.refreshes.refresh(body.refreshToken, request.facts);
  }

  @Post('switch')
  @WhileReadOnly(SIGN_IN)
  @SignedIn('everyone may enter the organizations they belong to')
  @Answers(TokensView, {
    faults: [
      AuthFault.not_a_member,
      AuthFault.same_organization,
      AuthFault.sessions_only,
      AuthFault.mfa_required,
      AuthFault.passkeys_unavailable,
      AuthFault.step_up_required,
      AccessFault.org_suspended,
    ],
    description: 'Get a session in another of your organizations, on the proof of this one, which stays.',
  })
  switch(@Body() body: SwitchRequest, @Req() request: AccessRequest): Promise<TokensView> {
    return this.switches.switch(callerOf(request), body.organization);
  }

  @Post('logout')
  @WhileReadOnly(ENDS)
  @SignedIn('everyone may end the session they use')
  @Answers(undefined, { faults: [AuthFault.sessions_only], description: 'End the session that asks.' })
  logout(@Req() request: AccessRequest): Promise<void> {
    return this.sessions.signOut(callerOf(request));
  }

  @Get('me')
  @SignedIn('everyone may know who they are')
  @Answers(MeView, { description: 'Who the credential stands for and what it may do.' })
  me(@Req() request: AccessRequest): MeView {
    return this.sessions.me(callerOf(request));
  }

  @Get('sessions')
  @SignedIn('everyone may see their own sessions')
  @Answers(SessionPage, {
    faults: [AuthFault.sessions_only],
    description: 'Your live sessions in every organization.',
  })
  own(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<SessionPage> {
    return this.sessions.own(callerOf(request), query);
  }

  @Delete('sessions/:sessionId')
  @WhileReadOnly(ENDS)
  @SignedIn('everyone may end their own sessions')
  @Answers(undefined, {
    faults: [AuthFault.session_not_found, AuthFault.sessions_only],
    description: 'End one of your sessions. When this answers, nothing accepts it any more.',
  })
  endOwn(@Req() request: AccessRequest, @Param('sessionId', IdPipe) sessionId: string): Promise<void> {
    return this.sessions.endOwn(callerOf(request), sessionId);
  }

  @Delete('sessions')
  @WhileReadOnly(ENDS)
  @SignedIn('everyone may end their own sessions')
  @Answers(RevokedView, {
    faults: [AuthFault.sessions_only],
    description: 'End all your sessions but this one.',
  })
  async endOthers(@Req() request: AccessRequest): Promise<RevokedView> {
    return { revoked: await this.sessions.endOwnOthers(callerOf(request)) };
  }
}

@Controller('.well-known')
export class JwksController {
  constructor(private readonly keys: SigningKeys) {}

  @Get('jwks.json')
  @Public('public keys are public')
  @Answers(JwksView, { description: 'The keys that verify access tokens (RFC 7517).' })
  async jwks(): Promise<JwksView> {
    return (await this.keys.jwks()) as unknown as JwksView;
  }
}
