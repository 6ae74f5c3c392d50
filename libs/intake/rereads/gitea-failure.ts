import { JobFailure } from '#jobs';

/** Gitea could not be read, or did not answer as it should; by a code, never in its words. Nothing follows from it. */
export class GiteaFailure extends JobFailure {
  constructor(code: string, options?: ErrorOptions) {
    super(`gitea_${code}`, false, options);
    this.name = 'GiteaFailure';
  }
}
