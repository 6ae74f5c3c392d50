import { Body, Controller, Delete, Get, Param, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, WhileReadOnly } from '#access';
import { Answers, IdPipe } from '#http';
import { RevokedView, SessionPage, SessionsQuery } from '../auth.contract.ts';
import { AuthFault } from '../auth.faults.ts';
import { RevokedSessionsView, RevokeSessionsRequest } from './bulk-revocation.contract.ts';
import { BulkRevocation } from './bulk-revocation.ts';
import { Sessions } from './sessions.ts';

const ENDS = 'it ends authority, which waits for nothing';

@Controller('api/v1/orgs/:orgId')
export class OrgSessionsController {
  constructor(
    private readonly sessions: Sessions,
    private readonly bulk: BulkRevocation,
  ) {}

  @Get('sessions')
  @Access({ permission: 'session:read', org: 'orgId' })
  @Answers(SessionPage, { description: 'The live sessions of the organization.' })
  list(@Req() request: AccessRequest, @Query() query: SessionsQuery): Promise<SessionPage> {
    return this.sessions.ofOrg(callerOf(request), query);
  }

  @Post('sessions/revoke')
  @WhileReadOnly(ENDS)
  @Access({ permission: 'session:revoke', org: 'orgId' })
  @Answers(RevokedSessionsView, {
    faults: [AuthFault.bad_filter],
    description: 'End every session a filter finds. When this answers, no replica accepts any of them.',
  })
  revoke(@Req() request: AccessRequest, @Body() body: RevokeSessionsRequest): Promise<RevokedSessionsView> {
    return this.bulk.revoke(callerOf(request), body);
  }

  @Delete('sessions/:sessionId')
  @WhileReadOnly(ENDS)
  @Access({ permission: 'session:revoke', org: 'orgId' })
  @Answers(undefined, {
    faults: [AuthFault.session_not_found],
    description: 'End a session. When this answers, no replica accepts it any more.',
  })
  end(@Req() request: AccessRequest, @Param('sessionId', IdPipe) sessionId: string): Promise<void> {
    return this.sessions.endInOrg(callerOf(request), sessionId);
  }

  @Delete('members/:userId/sessions')
  @WhileReadOnly(ENDS)
  @Access({ permission: 'session:revoke', org: 'orgId' })
  @Answers(RevokedView, {
    description: 'End every session of a member here. When this answers, no replica accepts any of them.',
  })
  async endOfMember(
    @Req() request: AccessRequest,
    @Param('userId', IdPipe) userId: string,
  ): Promise<RevokedView> {
    return { revoked: await this.sessions.endOfMember(callerOf(request), userId) };
  }
}
