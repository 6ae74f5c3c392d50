import { Body, Controller, Get, Patch, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers } from '#http';
import { AuthFault } from '../auth.faults.ts';
import { Policies } from './policies.ts';
import { ChangePolicyRequest, PolicyView } from './policy.contract.ts';

@Controller('api/v1/orgs/:orgId/policy')
export class PolicyController {
  constructor(private readonly policies: Policies) {}

  @Get()
  @Access({ permission: 'policy:read', org: 'orgId' })
  @Answers(PolicyView, { description: 'What the organization decides of its security, defaults filled in.' })
  read(@Req() request: AccessRequest): Promise<PolicyView> {
    return this.policies.read(callerOf(request));
  }

  @Patch()
  @Access({ permission: 'policy:write', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(PolicyView, {
    faults: [AuthFault.bad_policy, AuthFault.policy_locks_out, AuthFault.step_up_required],
    description: 'Change parts of the policy; effective on the next request of everyone in the organization.',
  })
  change(@Req() request: AccessRequest, @Body() body: ChangePolicyRequest): Promise<PolicyView> {
    return this.policies.change(callerOf(request), body);
  }
}
