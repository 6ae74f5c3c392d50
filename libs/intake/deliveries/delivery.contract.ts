import { Choice, Id } from '#http';

export class GiteaAcceptedView {
  @Id({ description: 'The line in the list of deliveries.' })
  id: string;

  @Choice(['accepted', 'ignored'], { description: 'ignored: nothing depends on such an event.' })
  verdict: string;
}
