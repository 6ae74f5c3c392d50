import { Flag, Whole } from '#http';

export class RewrappedView {
  @Flag({ description: 'Whether anything was wrapped anew, or is still to be: ask again until it is false.' })
  changed: boolean;

  @Whole()
  orgKeys: number;

  @Whole()
  signingKeys: number;

  @Whole()
  keyPeppers: number;

  @Whole()
  auditKeys: number;

  @Whole()
  factors: number;

  @Whole({ description: 'What no key of this process opens, and stays as it is.' })
  unreadable: number;

  @Whole({ description: 'Keys that sign evidence, and secrets of external gates.' })
  rollouts: number;
}
