import { Email, Flag, Secret } from '#http';
import { NEW_PASSWORD } from '../auth.contract.ts';

const END_OTHERS = 'End your other sessions too, in every organization; true where unsaid.';

export class ChangePasswordRequest {
  @Secret()
  currentPassword: string;

  @Secret({ description: NEW_PASSWORD })
  newPassword: string;

  @Flag({ optional: true, description: END_OTHERS })
  endOtherSessions?: boolean;
}

export class RequestPasswordResetRequest {
  @Email()
  email: string;
}

export class CompletePasswordResetRequest {
  @Secret({ max: 200, description: 'What stands behind # in the link.' })
  token: string;

  @Secret({ description: NEW_PASSWORD })
  newPassword: string;

  @Flag({ optional: true, description: END_OTHERS })
  endOtherSessions?: boolean;
}
