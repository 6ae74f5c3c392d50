import { Choice, Flag, Id, ListOf, PageQuery, pageViewOf, Text } from '#http';
import { GateView } from '../gates/gate.contract.ts';
import { states } from '../lifecycle/state.ts';

export class DryRunQuery extends PageQuery {
  @Id({ optional: true, description: 'Only rollouts under this policy; all where unsaid.' })
  policyId?: string;
}

export class DryRunView {
  @Id()
  rolloutId: string;

  @Text({ max: 200 })
  title: string;

  @Choice(states)
  state: string;

  @Id({ description: 'The policy that it is under.' })
  policyId: string;

  @Flag({
    description: 'Whether the rules differ from those that were signed: it would have to be planned again.',
  })
  planAgain: boolean;

  @Flag({ description: 'Whether its gates are open now.' })
  openNow: boolean;

  @Flag({ description: 'Whether they would be, with the sign-offs and results there are.' })
  openThen: boolean;

  @ListOf(() => GateView, { max: 100, description: 'What keeps it back now.' })
  closedNow: GateView[];

  @ListOf(() => GateView, { max: 100, description: 'What would keep it back.' })
  closedThen: GateView[];
}

export class DryRunPage extends pageViewOf(DryRunView) {}
