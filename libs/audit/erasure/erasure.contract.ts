import { Choice, Id, pageViewOf, Time, Whole } from '#http';

export class EraseRequest {
  @Id({ description: 'Whose personal data is to go. Who this is need not be known here any more.' })
  userId: string;
}

export class ErasureView {
  @Id()
  id: string;

  @Id()
  userId: string;

  @Choice(['waiting', 'running', 'completed', 'stopped'], {
    description: '`stopped`: by a legal hold; ask again once it is lifted.',
  })
  state: string;

  @Time()
  requestedAt: string;

  @Whole({ description: 'The size of the log when this was asked for; later events are not part of it.' })
  upTo: number;

  @Whole({ description: 'The last position where something was erased and kept.' })
  doneUpTo: number;

  @Whole({ description: 'Events of which something was erased.' })
  events: number;

  @Whole({ description: 'Values that were erased.' })
  fields: number;

  @Time({ optional: true })
  endedAt?: string;
}

export const ErasurePage = pageViewOf(ErasureView);

export class EverywhereView {
  @Id()
  id: string;

  @Id()
  userId: string;

  @Choice(['waiting', 'running', 'completed', 'stopped'], {
    description: '`stopped`: all logs are done but those on legal hold; ask again once that is lifted.',
  })
  state: string;

  @Time()
  requestedAt: string;

  @Whole({ description: 'Logs that speak of the person, as far as they were looked through.' })
  logs: number;

  @Whole({ description: 'Logs of these that a legal hold kept.' })
  stopped: number;

  @Whole({ description: 'Events of which something was erased.' })
  events: number;

  @Whole({ description: 'Values that were erased.' })
  fields: number;

  @Time({ optional: true })
  endedAt?: string;
}
