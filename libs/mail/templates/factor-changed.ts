import { body, NOT_YOU, type Rendered, timeInWords } from './wording.ts';

export interface FactorChanged {
  readonly change: 'added' | 'removed';
  readonly kind: 'totp' | 'passkey' | 'recovery_codes';
  readonly at: string;
}

const kinds = {
  totp: 'An authenticator app',
  passkey: 'A passkey',
  recovery_codes: 'A set of recovery codes',
} as const;

export function factorChanged({ change, kind, at }: FactorChanged): Rendered {
  return {
    subject: change === 'added' ? 'A sign-in factor was added' : 'A sign-in factor was removed',
    text: body(
      `${kinds[kind]} was ${change} ${change === 'added' ? 'to' : 'from'} your account in Portcullis on ${timeInWords(at)}.`,
      NOT_YOU,
    ),
  };
}
