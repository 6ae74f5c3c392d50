import { Body, Controller, Delete, Get, Param, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import { Keys } from './keys.ts';
import {
  ApiKeyPage,
  CreateApiKeyRequest,
  CreatedApiKeyView,
  CreateServiceAccountRequest,
  RotateApiKeyRequest,
  ServiceAccountPage,
  ServiceAccountView,
} from './org.contract.ts';
import { OrgFault } from './org.faults.ts';

@Controller('api/v1/orgs/:orgId/service-accounts')
export class ServiceAccountsController {
  constructor(private readonly keys: Keys) {}

  @Get()
  @Access({ permission: 'key:read', org: 'orgId' })
  @Answers(ServiceAccountPage, { description: 'Service accounts.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<ServiceAccountPage> {
    return this.keys.listAccounts(callerOf(request), query);
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
    return this.keys.createAccount(callerOf(request), body);
  }

  @Delete(':accountId')
  @Access({ permission: 'key:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [OrgFault.service_account_not_found],
    description: 'Delete a service account; its keys end before this answers.',
  })
  remove(@Req() request: AccessRequest, @Param('accountId', IdPipe) accountId: string): Promise<void> {
    return this.keys.removeAccount(callerOf(request), accountId);
  }
}

@Controller('api/v1/orgs/:orgId/api-keys')
export class ApiKeysController {
  constructor(private readonly keys: Keys) {}

  @Get()
  @Access({ permission: 'key:read', org: 'orgId' })
  @Answers(ApiKeyPage, { description: 'API keys, without their secrets.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<ApiKeyPage> {
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
    faults: [OrgFault.key_not_found, OrgFault.grant_ceiling],
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
  @Access({ permission: 'key:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [OrgFault.key_not_found],
    description: 'Revoke a key. When this answers, no replica accepts it any more.',
  })
  revoke(@Req() request: AccessRequest, @Param('keyId', IdPipe) keyId: string): Promise<void> {
    return this.keys.revoke(callerOf(request), keyId);
  }
}
