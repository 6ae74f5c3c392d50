import { Body, Controller, Delete, Get, Param, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import { RolloutFault } from '../rollout.faults.ts';
import {
  RolloutTemplateDetailView,
  RolloutTemplatePage,
  RolloutTemplateRequest,
} from './template.contract.ts';
import { Templates } from './templates.ts';

@Controller('api/v1/orgs/:orgId/rollout-templates')
export class TemplatesController {
  constructor(private readonly templates: Templates) {}

  @Get()
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(RolloutTemplatePage, { description: 'Plans by which Gitea opens rollouts.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<RolloutTemplatePage> {
    return this.templates.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'rollout:plan', org: 'orgId' })
  @Answers(RolloutTemplateDetailView, {
    status: 201,
    faults: [
      RolloutFault.bad_template,
      RolloutFault.template_exists,
      RolloutFault.policy_not_found,
      RolloutFault.hook_not_found,
      RolloutFault.bad_plan,
      RolloutFault.unknown_command,
      RolloutFault.forbidden_secret_provisioning,
      RolloutFault.forbidden_business_action,
      RolloutFault.forbidden_destruction,
      RolloutFault.needs_person,
    ],
    description: 'Keep a plan by which a hook of Gitea opens drafts of rollouts.',
  })
  create(
    @Req() request: AccessRequest,
    @Body() body: RolloutTemplateRequest,
  ): Promise<RolloutTemplateDetailView> {
    return this.templates.create(callerOf(request), body);
  }

  @Get(':templateId')
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(RolloutTemplateDetailView, {
    faults: [RolloutFault.template_not_found],
    description: 'One template, with its plan.',
  })
  read(
    @Req() request: AccessRequest,
    @Param('templateId', IdPipe) templateId: string,
  ): Promise<RolloutTemplateDetailView> {
    return this.templates.read(callerOf(request), templateId);
  }

  @Delete(':templateId')
  @Access({ permission: 'rollout:plan', org: 'orgId' })
  @Answers(undefined, {
    faults: [RolloutFault.template_not_found],
    description: 'Open nothing by it any more. What it opened stays.',
  })
  remove(@Req() request: AccessRequest, @Param('templateId', IdPipe) templateId: string): Promise<void> {
    return this.templates.remove(callerOf(request), templateId);
  }
}
