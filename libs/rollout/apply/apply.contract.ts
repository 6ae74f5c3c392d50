import { Flag, Text } from '#http';

export class ConfirmRequest {
  @Text({ max: 400, description: 'As `confirmation` of the rollout shows it.' })
  confirmation: string;
}

export class VerifyRequest {
  @Flag()
  passed: boolean;

  @Text({ max: 2_000 })
  comment: string;
}
