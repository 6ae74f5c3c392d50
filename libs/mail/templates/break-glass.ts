import { body, quoted, type Rendered } from './wording.ts';

export interface BreakGlass {
  readonly organization: string;
  readonly rollout: string;
  readonly incident: string;
}

export function breakGlass({ organization, rollout, incident }: BreakGlass): Rendered {
  return {
    subject: 'A rollout was executed before it was signed off',
    text: body(
      `In the organization ${quoted(organization)} the rollout ${quoted(rollout)} was executed by break-glass, for the incident ${quoted(incident)}.`,
      'It is on record, and has to be reviewed by somebody else than who opened it.',
    ),
  };
}
