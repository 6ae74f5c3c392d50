import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import { IntakeFault } from '../intake.faults.ts';
import {
  CreateGiteaHookRequest,
  GiteaDeliveryPage,
  GiteaHookPage,
  GiteaHookView,
  GiteaReconcileView,
  UpdateGiteaHookRequest,
} from './hook.contract.ts';
import { Hooks } from './hooks.ts';

@Controller('api/v1/orgs/:orgId/integrations/gitea')
export class GiteaHooksController {
  constructor(private readonly hooks: Hooks) {}

  @Get()
  @Access({ permission: 'intake:read', org: 'orgId' })
  @Answers(GiteaHookPage, { description: 'By which hooks Gitea tells of events.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<GiteaHookPage> {
    return this.hooks.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'intake:write', org: 'orgId' })
  @Answers(GiteaHookView, {
    status: 201,
    faults: [IntakeFault.bad_hook, IntakeFault.hook_exists, IntakeFault.too_many_hooks],
    description: 'Take events from one more Gitea.',
  })
  create(@Req() request: AccessRequest, @Body() body: CreateGiteaHookRequest): Promise<GiteaHookView> {
    return this.hooks.create(callerOf(request), body);
  }

  @Get(':giteaHookId')
  @Access({ permission: 'intake:read', org: 'orgId' })
  @Answers(GiteaHookView, { faults: [IntakeFault.hook_not_found], description: 'One hook.' })
  read(@Req() request: AccessRequest, @Param('giteaHookId', IdPipe) hookId: string): Promise<GiteaHookView> {
    return this.hooks.read(callerOf(request), hookId);
  }

  @Patch(':giteaHookId')
  @Access({ permission: 'intake:write', org: 'orgId' })
  @Answers(GiteaHookView, {
    faults: [IntakeFault.hook_not_found, IntakeFault.bad_hook, IntakeFault.hook_exists],
    description: 'Change a hook. What it took before stays; what it refuses now it refuses at once.',
  })
  update(
    @Req() request: AccessRequest,
    @Param('giteaHookId', IdPipe) hookId: string,
    @Body() body: UpdateGiteaHookRequest,
  ): Promise<GiteaHookView> {
    return this.hooks.update(callerOf(request), hookId, body);
  }

  @Delete(':giteaHookId')
  @Access({ permission: 'intake:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [IntakeFault.hook_not_found],
    description: 'Take nothing by this hook any more; the list of its deliveries goes with it.',
  })
  remove(@Req() request: AccessRequest, @Param('giteaHookId', IdPipe) hookId: string): Promise<void> {
    return this.hooks.remove(callerOf(request), hookId);
  }

  @Get(':giteaHookId/deliveries')
  @Access({ permission: 'intake:read', org: 'orgId' })
  @Answers(GiteaDeliveryPage, {
    faults: [IntakeFault.hook_not_found],
    description: 'What came in by a hook and was signed, and what came of it.',
  })
  deliveries(
    @Req() request: AccessRequest,
    @Param('giteaHookId', IdPipe) hookId: string,
    @Query() query: PageQuery,
  ): Promise<GiteaDeliveryPage> {
    return this.hooks.deliveries(callerOf(request), hookId, query);
  }

  @Post(':giteaHookId/reconcile')
  @Access({ permission: 'intake:write', org: 'orgId' })
  @Answers(GiteaReconcileView, {
    status: 202,
    faults: [IntakeFault.hook_not_found, IntakeFault.hook_disabled],
    description: 'Read all of the hook’s repositories now, for what was never delivered.',
  })
  reconcile(
    @Req() request: AccessRequest,
    @Param('giteaHookId', IdPipe) hookId: string,
  ): Promise<GiteaReconcileView> {
    return this.hooks.reconcile(callerOf(request), hookId);
  }
}
