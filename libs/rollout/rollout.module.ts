import { type DynamicModule, Module } from '@nestjs/common';
import { ProjectionModule } from '#projection';
import { Advance } from './apply/advance.ts';
import { Applying } from './apply/applying.ts';
import { ApplyController, BreakGlassController } from './apply/apply.controller.ts';
import { BuiltInRunner } from './apply/built-in-runner.ts';
import { Readiness } from './apply/readiness.ts';
import { StepRunner } from './apply/step-runner.ts';
import { BreakGlass } from './breakglass/break-glass.ts';
import {
  AttachmentsController,
  EvidenceController,
  EvidenceKeysController,
} from './evidence/evidence.controller.ts';
import { Evidence } from './evidence/evidence.ts';
import { EvidenceKeys } from './evidence/evidence-keys.ts';
import { Freezes } from './freeze/freezes.ts';
import { FreezesController } from './freeze/freezes.controller.ts';
import { Callbacks } from './gates/callbacks.ts';
import { GateResults } from './gates/gate-results.ts';
import { Gates } from './gates/gates.ts';
import { CallbacksController, GatesController } from './gates/gates.controller.ts';
import { Hooks } from './gates/hooks.ts';
import { SignedCallbacks } from './gates/signed-callbacks.ts';
import { Postures, ProjectedPostures } from './gates/postures.ts';
import { Expiry } from './planning/expiry.ts';
import { Moves } from './lifecycle/moves.ts';
import { Planning } from './planning/planning.ts';
import { Rollouts } from './planning/rollouts.ts';
import { RolloutsController } from './planning/rollouts.controller.ts';
import { DryRun } from './policy/dry-run.ts';
import { RolloutPolicies } from './policy/rollout-policies.ts';
import { HooksController, PersonsController, RolloutPoliciesController } from './policy/policy.controller.ts';
import { Recovery } from './recovery/recovery.ts';
import { Reports } from './report/report.ts';
import { Risks } from './risk/risks.ts';
import { RisksController } from './risk/risks.controller.ts';
import { Persons } from './signoff/persons.ts';
import { SignOffs } from './signoff/sign-offs.ts';
import { Standing } from './signoff/standing.ts';
import { GiteaEvidence } from './sources/gitea-evidence.ts';
import { SourcePrompts } from './sources/source-prompts.ts';
import { Targets } from './targets/targets.ts';
import { TargetsController } from './targets/targets.controller.ts';
import { Openings } from './templates/openings.ts';
import { Templates } from './templates/templates.ts';
import { TemplatesController } from './templates/templates.controller.ts';

/** Global, for the intake prompts it. */
@Module({})
export class RolloutModule {
  /** `postures`: for tests; what the projection says of surfaces where unsaid. */
  static with({ postures }: { postures?: Postures | undefined } = {}): DynamicModule {
    return {
      module: RolloutModule,
      imports: [ProjectionModule],
      global: true,
      exports: [SourcePrompts],
      controllers: [
        RolloutsController,
        ApplyController,
        GatesController,
        CallbacksController,
        BreakGlassController,
        RolloutPoliciesController,
        HooksController,
        PersonsController,
        TargetsController,
        EvidenceController,
        AttachmentsController,
        EvidenceKeysController,
        RisksController,
        FreezesController,
        TemplatesController,
      ],
      providers: [
        postures
          ? { provide: Postures, useValue: postures }
          : { provide: Postures, useClass: ProjectedPostures },
        { provide: StepRunner, useClass: BuiltInRunner },
        Advance,
        Applying,
        BreakGlass,
        Callbacks,
        DryRun,
        Evidence,
        EvidenceKeys,
        Expiry,
        Freezes,
        GateResults,
        Gates,
        GiteaEvidence,
        Hooks,
        Moves,
        Openings,
        Persons,
        Planning,
        RolloutPolicies,
        Readiness,
        Recovery,
        Reports,
        Risks,
        Rollouts,
        SignedCallbacks,
        SignOffs,
        SourcePrompts,
        Standing,
        Targets,
        Templates,
      ],
    };
  }
}
