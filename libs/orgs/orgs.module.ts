import { type DynamicModule, Module } from '@nestjs/common';
import { Accounts } from './accounts/accounts.ts';
import { AccountsController } from './accounts/accounts.controller.ts';
import { Invitations } from './invitations.ts';
import { Keys } from './keys.ts';
import { ApiKeysController, ServiceAccountsController } from './keys.controller.ts';
import { MemberFactors } from './member-factors/member-factors.ts';
import {
  MemberFactorsController,
  UserFactorsController,
} from './member-factors/member-factors.controller.ts';
import { MemberResets } from './member-resets.ts';
import { Members } from './members.ts';
import {
  AcceptInvitationController,
  InvitationsController,
  LeaveController,
  MembersController,
} from './members.controller.ts';
import { OrgConfig } from './org.config.ts';
import { Orgs } from './orgs.ts';
import { OrgsController } from './orgs.controller.ts';
import { Ownership } from './ownership.ts';
import { Roles } from './roles.ts';
import { PermissionsController, RolesController } from './roles.controller.ts';
import { ServiceAccounts } from './service-accounts.ts';

@Module({})
export class OrgsModule {
  static with(config: OrgConfig): DynamicModule {
    return {
      module: OrgsModule,
      global: true,
      controllers: [
        OrgsController,
        MembersController,
        InvitationsController,
        AcceptInvitationController,
        LeaveController,
        RolesController,
        PermissionsController,
        ServiceAccountsController,
        ApiKeysController,
        AccountsController,
        MemberFactorsController,
        UserFactorsController,
      ],
      providers: [
        { provide: OrgConfig, useValue: config },
        Accounts,
        Invitations,
        Keys,
        MemberResets,
        MemberFactors,
        Members,
        Orgs,
        Ownership,
        Roles,
        ServiceAccounts,
      ],
      exports: [Orgs],
    };
  }
}
