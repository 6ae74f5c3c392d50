import { type GiteaFact, type Prompt, RolloutPrompts, type Voiding } from '#intake';

/** Stands in for rollouts: remembers what it was told, and is bound to what a spec says. */
export class RolloutRecorder extends RolloutPrompts {
  readonly told: { kind: 'open' | 'advance' | 'void' | 'evidence'; what: Prompt | Voiding | GiteaFact }[] =
    [];
  commits: { ref: string; commit: string }[] = [];

  bound(): Promise<{ ref: string; commit: string }[]> {
    return Promise.resolve(this.commits);
  }

  open(_tx: unknown, what: Prompt): Promise<string[]> {
    return this.#tell('open', what);
  }

  advance(_tx: unknown, what: Prompt): Promise<string[]> {
    return this.#tell('advance', what);
  }

  void(_tx: unknown, what: Voiding): Promise<string[]> {
    return this.#tell('void', what);
  }

  evidence(_tx: unknown, what: GiteaFact): Promise<string[]> {
    return this.#tell('evidence', what);
  }

  /** What it was told since it was last asked, one line each. */
  take(): string[] {
    return this.told.splice(0).map(({ kind, what }) => {
      const said =
        'event' in what ? what.event : 'reason' in what ? what.reason : `${what.kind} ${what.state}`;
      return [kind, said, what.ref ?? '-', what.commit].join(' ');
    });
  }

  #tell(
    kind: 'open' | 'advance' | 'void' | 'evidence',
    what: Prompt | Voiding | GiteaFact,
  ): Promise<string[]> {
    this.told.push({ kind, what });
    return Promise.resolve([]);
  }
}
