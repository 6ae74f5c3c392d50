import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, Public, SignedIn, WhileReadOnly } from '#access';
import { AuthFault } from '#auth';
import { Answers, IdPipe, PageQuery } from '#http';
import { Invitations } from './invitations.ts';
import { MemberResets } from './member-resets.ts';
import { Members } from './members.ts';
import {
  AcceptedView,
  AcceptInvitationRequest,
  CreatedMemberView,
  CreateInvitationRequest,
  CreateMemberRequest,
  InvitationPage,
  MemberPage,
  MemberResetView,
  MembersQuery,
  MemberView,
  NewInvitationView,
  UpdateMemberRequest,
} from './org.contract.ts';
import { OrgFault } from './org.faults.ts';

const ENDS = 'it ends authority, which waits for nothing';

@Controller('api/v1/orgs/:orgId/members')
export class MembersController {
  constructor(
    private readonly members: Members,
    private readonly resets: MemberResets,
  ) {}

  @Get()
  @Access({ permission: 'member:read', org: 'orgId' })
  @Answers(MemberPage, { description: 'The members of the organization.' })
  list(@Req() request: AccessRequest, @Query() query: MembersQuery): Promise<MemberPage> {
    return this.members.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'member:create', org: 'orgId' })
  @Answers(CreatedMemberView, {
    status: 201,
    faults: [
      OrgFault.member_exists,
      OrgFault.role_not_found,
      OrgFault.email_domain_not_allowed,
      OrgFault.grant_ceiling,
      AuthFault.busy,
    ],
    description:
      'Add a member. A new account gets a password that works once; for an account that exists the answer is the ' +
      'same, name and password included, and changes nothing of the account.',
  })
  add(@Req() request: AccessRequest, @Body() body: CreateMemberRequest): Promise<CreatedMemberView> {
    return this.members.add(callerOf(request), body);
  }

  @Patch(':userId')
  @Access({ permission: 'member:update', org: 'orgId' })
  @Answers(MemberView, {
    faults: [OrgFault.member_not_found, OrgFault.role_not_found, OrgFault.grant_ceiling, OrgFault.last_owner],
    description: 'Change role or status; effective on the member’s next request.',
  })
  update(
    @Req() request: AccessRequest,
    @Param('userId', IdPipe) userId: string,
    @Body() body: UpdateMemberRequest,
  ): Promise<MemberView> {
    return this.members.update(callerOf(request), userId, body);
  }

  @Delete(':userId')
  @WhileReadOnly(ENDS)
  @Access({ permission: 'member:remove', org: 'orgId' })
  @Answers(undefined, {
    faults: [OrgFault.member_not_found, OrgFault.grant_ceiling, OrgFault.last_owner],
    description: 'Remove a member; their sessions and keys here end before this answers.',
  })
  remove(@Req() request: AccessRequest, @Param('userId', IdPipe) userId: string): Promise<void> {
    return this.members.remove(callerOf(request), userId);
  }

  @Post(':userId/password-reset')
  @Access({ permission: 'member:reset-password', org: 'orgId' })
  @Answers(MemberResetView, {
    status: 201,
    faults: [
      OrgFault.member_not_found,
      OrgFault.grant_ceiling,
      OrgFault.reset_not_own,
      OrgFault.reset_needs_mail,
    ],
    description: 'Have a link made by which the member sets a new password. It works once, for half an hour.',
  })
  startReset(
    @Req() request: AccessRequest,
    @Param('userId', IdPipe) userId: string,
  ): Promise<MemberResetView> {
    return this.resets.start(callerOf(request), userId);
  }
}

@Controller('api/v1/orgs/:orgId/invitations')
export class InvitationsController {
  constructor(private readonly invitations: Invitations) {}

  @Get()
  @Access({ permission: 'member:read', org: 'orgId' })
  @Answers(InvitationPage, { description: 'Open invitations.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<InvitationPage> {
    return this.invitations.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'member:create', org: 'orgId' })
  @Answers(NewInvitationView, {
    status: 201,
    faults: [OrgFault.role_not_found, OrgFault.email_domain_not_allowed, OrgFault.grant_ceiling],
    description: 'Invite a person. The token is shown once.',
  })
  create(@Req() request: AccessRequest, @Body() body: CreateInvitationRequest): Promise<NewInvitationView> {
    return this.invitations.create(callerOf(request), body);
  }

  @Delete(':invitationId')
  @WhileReadOnly(ENDS)
  @Access({ permission: 'member:create', org: 'orgId' })
  @Answers(undefined, { faults: [OrgFault.invitation_not_found], description: 'Take an invitation back.' })
  revoke(@Req() request: AccessRequest, @Param('invitationId', IdPipe) invitationId: string): Promise<void> {
    return this.invitations.revoke(callerOf(request), invitationId);
  }
}

@Controller('api/v1/auth/invitations')
export class AcceptInvitationController {
  constructor(private readonly invitations: Invitations) {}

  @Post('accept')
  @Public('the invitation token is the credential')
  @Answers(AcceptedView, {
    status: 201,
    faults: [
      OrgFault.invalid_invitation,
      OrgFault.member_exists,
      AuthFault.password_refused,
      AuthFault.busy,
      AuthFault.too_many_requests,
    ],
    description: 'Become a member; then sign in.',
  })
  accept(@Body() body: AcceptInvitationRequest, @Req() request: AccessRequest): Promise<AcceptedView> {
    return this.invitations.accept(body, request.facts);
  }
}

@Controller('api/v1/auth/leave')
export class LeaveController {
  constructor(private readonly members: Members) {}

  @Post()
  @SignedIn('everyone may leave the organization they are signed in to')
  @Answers(undefined, {
    faults: [OrgFault.last_owner, AuthFault.sessions_only],
    description:
      'Leave the organization of this session. Your sessions, keys and service accounts in it end before this ' +
      'answers; other organizations are not touched.',
  })
  leave(@Req() request: AccessRequest): Promise<void> {
    return this.members.leave(callerOf(request));
  }
}
