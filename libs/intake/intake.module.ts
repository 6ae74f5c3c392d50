import { Global, Module } from '@nestjs/common';
import { SignedRequests } from '#access';
import { Deliveries } from './deliveries/deliveries.ts';
import { HookSecrets } from './deliveries/hook-secrets.ts';
import { SignedDeliveries } from './deliveries/signed-deliveries.ts';
import { GiteaWebhookController } from './deliveries/webhook.controller.ts';
import { GiteaHooksController } from './hooks/hooks.controller.ts';
import { Hooks } from './hooks/hooks.ts';
import { DeliveryJobs } from './rereads/delivery-jobs.ts';
import { ReconcileJobs } from './rereads/reconcile-jobs.ts';
import { Rereads } from './rereads/rereads.ts';

/** Needs RolloutPrompts from above. Global, for the guard asks it who signed a request. */
@Global()
@Module({
  controllers: [GiteaHooksController, GiteaWebhookController],
  providers: [
    Deliveries,
    DeliveryJobs,
    Hooks,
    HookSecrets,
    ReconcileJobs,
    Rereads,
    SignedDeliveries,
    { provide: SignedRequests, useExisting: SignedDeliveries },
  ],
  exports: [SignedRequests],
})
export class IntakeModule {}
