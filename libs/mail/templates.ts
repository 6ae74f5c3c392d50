import { breakGlass, type BreakGlass } from './templates/break-glass.ts';
import { factorChanged, type FactorChanged } from './templates/factor-changed.ts';
import { invitation, type Invitation } from './templates/invitation.ts';
import { lockout, type Lockout } from './templates/lockout.ts';
import { newDevice, type NewDevice } from './templates/new-device.ts';
import { passwordChanged, type PasswordChanged } from './templates/password-changed.ts';
import { passwordReset, type PasswordReset } from './templates/password-reset.ts';
import type { Rendered } from './templates/wording.ts';

/** What each template is filled with. Times are RFC 3339, for the data waits as JSON. */
interface TemplateData {
  invitation: Invitation;
  password_reset: PasswordReset;
  password_changed: PasswordChanged;
  new_device: NewDevice;
  factor_changed: FactorChanged;
  lockout: Lockout;
  break_glass: BreakGlass;
}

const templates: { readonly [T in keyof TemplateData]: (data: TemplateData[T]) => Rendered } = {
  invitation,
  password_reset: passwordReset,
  password_changed: passwordChanged,
  new_device: newDevice,
  factor_changed: factorChanged,
  lockout,
  break_glass: breakGlass,
};

/** One message to one person. */
export type MailMessage = {
  readonly [T in keyof TemplateData]: {
    readonly template: T;
    readonly to: string;
    readonly data: TemplateData[T];
  };
}[keyof TemplateData];

/** Subject and body of a message. */
export function render<T extends keyof TemplateData>(message: {
  readonly template: T;
  readonly data: TemplateData[T];
}): Rendered {
  return templates[message.template](message.data);
}
