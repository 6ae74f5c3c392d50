import { Controller, Get } from '@nestjs/common';
import { Access, PLATFORM } from '#access';
import { Answers } from '#http';
import { FamilyReadinessView, PlatformSummaryView, ServicesView } from './posture.contract.ts';
import { Summaries } from './summaries.ts';

const DESCRIPTION = '200 whatever the verdict is. Public where PORTCULLIS_SUMMARY=public.';

@Controller('api/v1/platform')
export class PlatformSummaryController {
  constructor(private readonly summaries: Summaries) {}

  @Get('services')
  @Access({ permission: 'platform:read', org: PLATFORM, open: 'summary' })
  @Answers(ServicesView, { description: `The surfaces of the deployment itself. ${DESCRIPTION}` })
  services(): Promise<ServicesView> {
    return this.summaries.services();
  }

  @Get('summary')
  @Access({ permission: 'platform:read', org: PLATFORM, open: 'summary' })
  @Answers(PlatformSummaryView, {
    description: `The state and the posture of the deployment. ${DESCRIPTION}`,
  })
  summary(): Promise<PlatformSummaryView> {
    return this.summaries.summary();
  }
}

@Controller('api/v1')
export class ReadinessFamiliesController {
  constructor(private readonly summaries: Summaries) {}

  @Get('observability/readiness')
  @Access({ permission: 'platform:read', org: PLATFORM, open: 'summary' })
  @Answers(FamilyReadinessView, { description: `Whether what goes on can be seen. ${DESCRIPTION}` })
  observability(): Promise<FamilyReadinessView> {
    return this.summaries.family('observability');
  }

  @Get('security/readiness')
  @Access({ permission: 'platform:read', org: PLATFORM, open: 'summary' })
  @Answers(FamilyReadinessView, { description: `Whether access, secrets and the log hold. ${DESCRIPTION}` })
  security(): Promise<FamilyReadinessView> {
    return this.summaries.family('security');
  }

  @Get('recovery/readiness')
  @Access({ permission: 'platform:read', org: PLATFORM, open: 'summary' })
  @Answers(FamilyReadinessView, { description: `Whether the deployment could be recovered. ${DESCRIPTION}` })
  recovery(): Promise<FamilyReadinessView> {
    return this.summaries.family('recovery');
  }

  @Get('signoff/readiness')
  @Access({ permission: 'platform:read', org: PLATFORM, open: 'summary' })
  @Answers(FamilyReadinessView, { description: `Whether changes can be signed off. ${DESCRIPTION}` })
  signoff(): Promise<FamilyReadinessView> {
    return this.summaries.family('signoff');
  }

  @Get('docs/readiness')
  @Access({ permission: 'platform:read', org: PLATFORM, open: 'summary' })
  @Answers(FamilyReadinessView, { description: `Whether the documentation is served. ${DESCRIPTION}` })
  docs(): Promise<FamilyReadinessView> {
    return this.summaries.family('docs');
  }
}
