import { Choice, Flag, Id, ListOf, Nested, PageQuery, Slug, Text, Time } from '#http';
import { capabilityStates, type CapabilityState } from './lifecycle.ts';

const CONTRACT = { max: 100, description: 'The name of a contract, as portcullis.events.' } as const;
const BOUND = { max: 200, itemMax: 100 } as const;

export class ProvidedContract {
  @Text(CONTRACT)
  contract: string;

  @Text({ max: 64, description: 'Semantic Versioning 2.0.0.' })
  version: string;
}

export class RequiredContract {
  @Text(CONTRACT)
  contract: string;

  @Text({ max: 100, description: 'A range of versions, as ^1.2.0.' })
  range: string;
}

export class ManifestFields {
  @Slug({ description: 'The capability.' })
  name: string;

  @Text({ max: 64, description: 'Semantic Versioning 2.0.0. Each version has one manifest, for ever.' })
  version: string;

  @Slug({ description: 'The product it belongs to.' })
  product: string;

  @Text({ max: 100, description: 'Who answers for it: a team, not a person.' })
  owner: string;

  @Text({ max: 1_000, optional: true })
  description?: string;

  @ListOf(() => ProvidedContract, { description: 'Contracts it keeps.' })
  provides: ProvidedContract[];

  @ListOf(() => RequiredContract, { description: 'Contracts it needs.' })
  requires: RequiredContract[];

  @ListOf('text', { itemMax: 100, description: 'Permissions it asks for.' })
  permissions: string[];

  @ListOf('text', { ...BOUND, description: 'MCP tools that act only while it is active.' })
  tools: string[];

  @ListOf('text', { ...BOUND, description: 'Commands that run only while it is active.' })
  commands: string[];
}

export class CapabilitiesQuery extends PageQuery {
  @Choice(capabilityStates, { optional: true })
  state?: CapabilityState;
}

export class StepQuery {
  @Flag({ optional: true, description: 'Only tell what stands against it.' })
  dryRun?: boolean;
}

export class AdmitRequest {
  @Text({ min: 64, max: 64, optional: true, description: 'Hex: admit only this manifest.' })
  digest?: string;
}

export class ReasonRequest {
  @Text({ max: 500, description: 'Why; no personal data.' })
  reason: string;
}

export class CapabilityView {
  @Id()
  id: string;

  @Text()
  name: string;

  @Text()
  version: string;

  @Text()
  product: string;

  @Choice(capabilityStates)
  state: CapabilityState;

  @Text({ description: 'Hex SHA-256 over the manifest as RFC 8785 canonical JSON.' })
  digest: string;

  @Time()
  proposedAt: string;

  @Time()
  changedAt: string;
}

export class CapabilityDetailView extends CapabilityView {
  @Nested(() => ManifestFields)
  manifest: ManifestFields;

  @ListOf('text', { max: 1_000, description: 'Active capabilities that need what only this one keeps.' })
  dependents: string[];
}

export class ProblemView {
  @Text({
    description:
      'permission_unknown, permission_not_held, requirement_unmet, binding_taken, dependent_broken',
  })
  code: string;

  @Text({ description: 'Where in the manifest.' })
  path: string;

  @Text()
  message: string;
}

export class StepView extends CapabilityView {
  @Flag({ description: 'Whether anything was changed.' })
  dryRun: boolean;

  @ListOf(() => ProblemView, { max: 10_000, description: 'What stands against it; empty where it was done.' })
  problems: ProblemView[];
}

export class HistoryEntryView {
  @Id()
  id: string;

  @Text({ description: 'propose, admit, activate, deactivate, quarantine, revoke' })
  action: string;

  @Text({ optional: true })
  from?: string;

  @Text()
  to: string;

  @Text()
  actorType: string;

  @Text()
  actorId: string;

  @Text({ optional: true })
  reason?: string;

  @Time()
  at: string;
}
