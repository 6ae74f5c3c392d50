import { Choice, ListOf, Text, Time } from '#http';
import { type SigningKeyState, signingKeyStates } from './signing-key.store.ts';

export class SigningKeyView {
  @Text({ description: 'The key id in the header of the tokens it signs.' })
  kid: string;

  @Choice(signingKeyStates, {
    description:
      'next: published, signs later; current: signs; retiring: verifies what it signed; retired, withdrawn: over.',
  })
  state: SigningKeyState;

  @Time()
  createdAt: string;

  @Time({ nullable: true })
  signsFrom: string | null;

  @Time({ nullable: true })
  signsUntil: string | null;

  @Time({ nullable: true, description: 'Since when its tokens are refused and its private half is erased.' })
  retiredAt: string | null;
}

export class SigningKeysView {
  @ListOf(() => SigningKeyView, {
    max: 1000,
    description: 'The next, the current, those before, then those that are over; at most 100.',
  })
  items: SigningKeyView[];
}
