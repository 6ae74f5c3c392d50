import { Controller, Param, Post, Req } from '@nestjs/common';
import { type AccessRequest, Signed } from '#access';
import { Answers, IdPipe, RawBody } from '#http';
import { IntakeFault } from '../intake.faults.ts';
import { Deliveries } from './deliveries.ts';
import { GiteaAcceptedView } from './delivery.contract.ts';

/** A pull request is told of with its repository three times over; a push with its newest commits. */
const LIMIT = 1_048_576;
const FAULTS = Object.values(IntakeFault).filter(
  ({ code }) => !/hook_exists|bad_hook$|hooks$|not_found/.test(code),
);

@Controller('api/v1/integrations/gitea/webhook')
export class GiteaWebhookController {
  constructor(private readonly deliveries: Deliveries) {}

  @Post()
  @Signed(
    'gitea',
    'Gitea holds no credential; it signs the body of each delivery with the secret of the default hook',
  )
  @RawBody(LIMIT)
  @Answers(GiteaAcceptedView, {
    status: 202,
    faults: FAULTS,
    description: 'Tell of an event, as Gitea does, by the default hook of the deployment.',
  })
  takeByDefault(@Req() request: AccessRequest): Promise<GiteaAcceptedView> {
    return this.deliveries.take(request);
  }

  @Post(':hookId')
  @Signed(
    'gitea',
    'Gitea holds no credential; it signs the body of each delivery with the secret of this hook',
  )
  @RawBody(LIMIT)
  @Answers(GiteaAcceptedView, {
    status: 202,
    faults: FAULTS,
    description: 'Tell of an event, as Gitea does.',
  })
  take(@Req() request: AccessRequest, @Param('hookId', IdPipe) _hookId: string): Promise<GiteaAcceptedView> {
    return this.deliveries.take(request);
  }
}
