import { Body, Controller, Get, Param, Patch, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, PLATFORM, WhileReadOnly } from '#access';
import { AuthFault } from '#auth';
import { Answers, IdPipe } from '#http';
import { OrgFault } from '../org.faults.ts';
import { AccountPage, AccountsQuery, AccountView, UpdateAccountRequest } from './account.contract.ts';
import { Accounts } from './accounts.ts';

@Controller('api/v1/users')
export class AccountsController {
  constructor(private readonly accounts: Accounts) {}

  @Get()
  @Access({ permission: 'user:read', org: PLATFORM })
  @Answers(AccountPage, { description: 'The accounts of people, signed in to the platform organization.' })
  list(@Req() request: AccessRequest, @Query() query: AccountsQuery): Promise<AccountPage> {
    return this.accounts.list(callerOf(request), query);
  }

  @Patch(':userId')
  @WhileReadOnly('disabling an account waits for nothing')
  @Access({ permission: 'user:update', org: PLATFORM, stepUp: 'mfa', within: 300 })
  @Answers(AccountView, {
    faults: [
      OrgFault.user_not_found,
      OrgFault.own_account,
      OrgFault.last_owner,
      OrgFault.grant_ceiling,
      AuthFault.step_up_required,
    ],
    description:
      'Disable an account everywhere, or enable it again. When this answers, no replica accepts anything of this ' +
      'person. Sessions and keys that ended do not come back.',
  })
  update(
    @Req() request: AccessRequest,
    @Param('userId', IdPipe) userId: string,
    @Body() body: UpdateAccountRequest,
  ): Promise<AccountView> {
    return this.accounts.setStatus(callerOf(request), userId, body);
  }
}
