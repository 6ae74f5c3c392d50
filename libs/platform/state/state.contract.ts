import { Choice, ListOf, Text, Time } from '#http';
import { readOnlyCodes } from './system-state.ts';

export class SetSystemStateRequest {
  @Choice(['read-only', 'operational'])
  state: 'read-only' | 'operational';

  @Text({
    max: 500,
    description: 'Shown to every client whose change is refused. Name no person and no secret.',
  })
  reason: string;
}

export class ReadOnlyReasonView {
  @Choice(readOnlyCodes)
  code: string;

  @Text()
  detail: string;
}

export class SystemStateView {
  @Choice(['operational', 'read-only'])
  state: string;

  @ListOf(() => ReadOnlyReasonView, {
    description: 'Of the order of an operator, and of what this process found.',
  })
  reasons: ReadOnlyReasonView[];

  @Time({ optional: true, description: 'Since when an operator’s order stands.' })
  since?: string;

  @Text({ optional: true, description: 'Who gave it.' })
  orderedBy?: string;
}
