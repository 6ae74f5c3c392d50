import { Body, Controller, Delete, Get, Param, Post, Put, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import { Hooks } from '../gates/hooks.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { Persons } from '../signoff/persons.ts';
import { DryRunPage, DryRunQuery } from './dry-run.contract.ts';
import { DryRun } from './dry-run.ts';
import { RolloutPolicies } from './rollout-policies.ts';
import {
  HookPage,
  HookRequest,
  NewHookView,
  PersonList,
  PersonRequest,
  RolloutPolicyPage,
  RolloutPolicyRequest,
  RolloutPolicyView,
} from './policy.contract.ts';

@Controller('api/v1/orgs/:orgId/rollout-policies')
export class RolloutPoliciesController {
  constructor(
    private readonly policies: RolloutPolicies,
    private readonly dryRuns: DryRun,
  ) {}

  @Get()
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(RolloutPolicyPage, { description: 'What the organization asks of rollouts.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<RolloutPolicyPage> {
    return this.policies.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'rollout:policy', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RolloutPolicyView, {
    status: 201,
    faults: [RolloutFault.policy_exists, RolloutFault.bad_policy],
    description: 'Make a policy: quorums, duties that are kept apart, gates.',
  })
  create(@Req() request: AccessRequest, @Body() body: RolloutPolicyRequest): Promise<RolloutPolicyView> {
    return this.policies.create(callerOf(request), body);
  }

  @Post('dry-run')
  @Access({ permission: 'rollout:policy', org: 'orgId' })
  @Answers(DryRunPage, {
    faults: [RolloutFault.bad_policy],
    description:
      'What a policy would change for every rollout that is open: the gates as they are, and as they would be. Nothing is written.',
  })
  dryRun(
    @Req() request: AccessRequest,
    @Body() body: RolloutPolicyRequest,
    @Query() query: DryRunQuery,
  ): Promise<DryRunPage> {
    return this.dryRuns.of(callerOf(request), body, query);
  }

  @Get(':policyId')
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(RolloutPolicyView, { faults: [RolloutFault.policy_not_found], description: 'One policy.' })
  read(
    @Req() request: AccessRequest,
    @Param('policyId', IdPipe) policyId: string,
  ): Promise<RolloutPolicyView> {
    return this.policies.read(callerOf(request), policyId);
  }

  @Put(':policyId')
  @Access({ permission: 'rollout:policy', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RolloutPolicyView, {
    faults: [RolloutFault.policy_not_found, RolloutFault.policy_exists, RolloutFault.bad_policy],
    description: 'Change a policy. Plans that were made under the one before have to be made again.',
  })
  change(
    @Req() request: AccessRequest,
    @Param('policyId', IdPipe) policyId: string,
    @Body() body: RolloutPolicyRequest,
  ): Promise<RolloutPolicyView> {
    return this.policies.change(callerOf(request), policyId, body);
  }
}

@Controller('api/v1/orgs/:orgId/rollout-hooks')
export class HooksController {
  constructor(private readonly hooks: Hooks) {}

  @Get()
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(HookPage, { description: 'Hooks by which external gates call back.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<HookPage> {
    return this.hooks.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'rollout:policy', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(NewHookView, { status: 201, description: 'Make a hook. Its secret is shown once.' })
  create(@Req() request: AccessRequest, @Body() body: HookRequest): Promise<NewHookView> {
    return this.hooks.create(callerOf(request), body.name);
  }

  @Delete(':hookId')
  @Access({ permission: 'rollout:policy', org: 'orgId' })
  @Answers(undefined, { faults: [RolloutFault.hook_not_found], description: 'Revoke a hook.' })
  revoke(@Req() request: AccessRequest, @Param('hookId', IdPipe) hookId: string): Promise<void> {
    return this.hooks.revoke(callerOf(request), hookId);
  }
}

@Controller('api/v1/orgs/:orgId/rollout-persons')
export class PersonsController {
  constructor(private readonly persons: Persons) {}

  @Get()
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(PersonList, { description: 'Accounts that were declared to be of one person.' })
  list(@Req() request: AccessRequest): Promise<PersonList> {
    return this.persons.list(callerOf(request));
  }

  @Post()
  @Access({ permission: 'rollout:policy', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(undefined, {
    faults: [RolloutFault.same_person_bad],
    description: 'Declare two accounts to be one person: together they count once.',
  })
  link(@Req() request: AccessRequest, @Body() body: PersonRequest): Promise<void> {
    return this.persons.link(callerOf(request), body);
  }

  @Delete()
  @Access({ permission: 'rollout:policy', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(undefined, {
    faults: [RolloutFault.same_person_bad],
    description: 'Take such a declaration back.',
  })
  unlink(@Req() request: AccessRequest, @Body() body: PersonRequest): Promise<void> {
    return this.persons.unlink(callerOf(request), body);
  }
}
