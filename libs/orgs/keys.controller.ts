import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, WhileReadOnly } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import { Keys } from './keys.ts';
import {
  ApiKeyPage,
  ApiKeysQuery,
  CreateApiKeyRequest,
  CreatedApiKeyView,
  CreateServiceAccountRequest,
  HandOverRequest,
  RevokeApiKeyQuery,
  RotateApiKeyRequest,
  ServiceAccountPage,
  ServiceAccountView,
} from './org.contract.ts';
import { OrgFault } from './org.faults.ts';
import { ServiceAccounts } from './service-accounts.ts';

const ENDS = 'it ends authority, which waits for nothing';

@Controller('api/v1/orgs/:orgId/service-accounts')
export class ServiceAccountsController {
  constructor(private readonly accounts: ServiceAccounts) {}

  @Get()
  @Access({ permission: 'key:read', org: 'orgId' })
  @Answers(ServiceAccountPage, { description: 'Service accounts.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<ServiceAccountPage> {
    return this.accounts.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'key:write', org: 'orgId' })
  @Answers(ServiceAccountView, {
    status: 201,
    faults: [OrgFault.service_account_exists],
    description: 'Create a service account that you answer for.',
  })
  create(
    @Req() request: AccessRequest,
    @Body() body: CreateServiceAccountRequest,
  ): Promise<ServiceAccountView> {
    return this.accounts.create(callerOf(request), body);
  }

  @Patch(':accountId')
  @Access({ permission: 'key:write', org: 'orgId' })
  @Answers(ServiceAccountView, {
    faults: [
      OrgFault.service_account_not_found,
      OrgFault.bad_owner,
      OrgFault.owner_lacks,
      OrgFault.grant_ceiling,
    ],
    description: 'Hand a service account and its keys over to another member, who answers for them.',
  })
  handOver(
    @Req() request: AccessRequest,
    @Param('accountId', IdPipe) accountId: string,
    @Body() body: HandOverRequest,
  ): Promise<ServiceAccountView> {
    return this.accounts.handOver(callerOf(request), accountId, body.ownerId);
  }

  @Delete(':accountId')
  @WhileReadOnly(ENDS)
  @Access({ permission: 'key:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [OrgFault.service_account_not_found],
    description: 'Delete a service account; its keys end before this answers.',
  })
  remove(@Req() request: AccessRequest, @Param('accountId', IdPipe) accountId: string): Promise<void> {
    return this.accounts.remove(callerOf(request), accountId);
  }
}

@Controller('api/v1/orgs/:orgId/api-keys')
export class ApiKeysController {
  constructor(private readonly keys: Keys) {}

  @Get()
  @Access({ permission: 'key:read', org: 'orgId' })
  @Answers(ApiKeyPage, { description: 'API keys, without their secrets.' })
  list(@Req() request: AccessRequest, @Query() query: ApiKeysQuery): Promise<ApiKeyPage> {
    return this.keys.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'key:write', org: 'orgId' })
  @Answers(CreatedApiKeyView, {
    status: 201,
    faults: [
      OrgFault.unknown_permission,
      OrgFault.grant_ceiling,
      OrgFault.bad_cidr,
      OrgFault.bad_expiry,
      OrgFault.beyond_maker,
      OrgFault.service_account_not_found,
    ],
    description: 'Create an API key. The key is shown once.',
  })
  create(@Req() request: AccessRequest, @Body() body: CreateApiKeyRequest): Promise<CreatedApiKeyView> {
    return this.keys.create(callerOf(request), body);
  }

  @Post(':keyId/rotate')
  @Access({ permission: 'key:write', org: 'orgId' })
  @Answers(CreatedApiKeyView, {
    faults: [OrgFault.key_not_found, OrgFault.grant_ceiling, OrgFault.beyond_maker],
    description: 'Give a key a new secret; the one before is accepted for a while.',
  })
  rotate(
    @Req() request: AccessRequest,
    @Param('keyId', IdPipe) keyId: string,
    @Body() body: RotateApiKeyRequest,
  ): Promise<CreatedApiKeyView> {
    return this.keys.rotate(callerOf(request), keyId, body.overlapSeconds);
  }

  @Delete(':keyId')
  @WhileReadOnly(ENDS)
  @Access({ permission: 'key:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [OrgFault.key_not_found],
    description: 'Revoke a key, and those it made. When this answers, no replica accepts them any more.',
  })
  revoke(
    @Req() request: AccessRequest,
    @Param('keyId', IdPipe) keyId: string,
    @Query() query: RevokeApiKeyQuery,
  ): Promise<void> {
    return this.keys.revoke(callerOf(request), keyId, query.reason);
  }
}
